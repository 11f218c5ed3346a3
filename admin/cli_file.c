#include "admin/cli_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Takes over fd. */
static bool write_document(int fd, const json_t *doc, bool is_durable)
{
    FILE *file = fdopen(fd, "w");
    if (file == NULL) {
        (void)close(fd);
        return false;
    }
    bool is_ok = json_dumpf(doc, file, JSON_INDENT(2)) == 0 && fputc('\n', file) == '\n' &&
                 fflush(file) == 0 && (!is_durable || fsync(fd) == 0);
    return fclose(file) == 0 && is_ok;
}

static bool write_through(const char *path, const json_t *doc)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write_document(fd, doc, false);
}

/* What a file made with open() would have, which that of mkostemp() has not. */
static mode_t usual_mode(void)
{
    mode_t mask = umask(0);
    (void)umask(mask);
    return 0666 & ~mask;
}

/* old: NULL where there was none. */
static bool take_over(int fd, const struct stat *old)
{
    if (old == NULL)
        return fchmod(fd, usual_mode()) == 0;
    /* Only root gives files away.  The owner first: it may cost some bits of the mode. */
    if (fchown(fd, old->st_uid, old->st_gid) != 0 && errno != EPERM)
        return false;
    return fchmod(fd, old->st_mode & 0777) == 0;
}

static bool write_beside(const char *temporary, int fd, const char *path,
                         const struct stat *old, const json_t *doc)
{
    if (!take_over(fd, old)) {
        (void)close(fd);
        return false;
    }
    return write_document(fd, doc, true) && rename(temporary, path) == 0;
}

static bool replace(struct arena *a, const char *path, const struct stat *old,
                    const json_t *doc)
{
    static const struct str suffix = STR_LIT(".XXXXXX");
    size_t len = strlen(path) + suffix.len;
    char *temporary = arena_bytes(a, len + 1);
    if (temporary == NULL) {
        errno = ENOMEM;
        return false;
    }
    (void)snprintf(temporary, len + 1, "%s%s", path, suffix.p);
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return false;
    if (write_beside(temporary, fd, path, old, doc))
        return true;
    int why = errno;
    (void)unlink(temporary);
    errno = why;
    return false;
}

bool cli_file_replace(struct arena *a, struct str path, const json_t *doc)
{
    char real[PATH_MAX];
    struct stat old;
    struct str name = arena_dup(a, path);
    if (name.p == NULL) {
        errno = ENOMEM;
        return false;
    }
    if (stat(name.p, &old) != 0)
        return errno == ENOENT && replace(a, name.p, NULL, doc);
    if (!S_ISREG(old.st_mode))
        return write_through(name.p, doc);
    return realpath(name.p, real) != NULL && replace(a, real, &old, doc);
}
