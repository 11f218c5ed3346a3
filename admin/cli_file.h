/* cli_file.h - a file that is replaced as a whole or not at all.
 *
 * Purpose: a document is written beside the file, brought to disk and then renamed: whatever
 *          fails on the way, the file of before is still there.  A symbolic link is followed;
 *          permissions stay, and so does the owner where that is allowed.  What is no regular
 *          file (a terminal, a pipe, /dev/stdout) is written to.
 * Thread:  one: asks for the umask.
 * Owns:    nothing.
 * Fails:   false, and errno says why. */
#pragma once

#include "gateway/base/arena.h"
#include "gateway/base/json.h"

/* As indented text with a line end behind it. */
bool cli_file_replace(struct arena *a, struct str path, const json_t *doc);
