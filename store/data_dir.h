/* data_dir.h - the folder that everything lives in.
 *
 * Purpose: makes it, locks it against a second process, and creates files in it that only their
 *          owner can read, whatever the umask.
 * Thread:  the opener's.
 * Owns:    one descriptor, which carries the lock; the kernel drops it when the process ends in
 *          any way.
 * Fails:   ERR_DATA_DIR (detail: errno), ERR_DATA_LOCKED, ERR_IO. */
#pragma once

#include "gateway/base/str.h"

/* Makes the folder (0700) and its parents if absent, and takes the lock. */
struct err data_dir_open(const char *path, int *ret_fd);
void data_dir_close(int fd);

/* A new file, 0600, or ERR_IO with EEXIST. */
struct err data_dir_create_file(int dir_fd, const char *name, int *ret_fd);

/* Creates it if absent. */
struct err data_dir_ensure_file(int dir_fd, const char *name);
