#include "store/data_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The umask could only take bits away from 0700: chmod gives back what it took. */
static struct err make_one(const char *path)
{
    if (mkdir(path, 0700) == 0)
        return chmod(path, 0700) == 0 ? OK : fail(ERR_DATA_DIR, errno);
    return errno == EEXIST ? OK : fail(ERR_DATA_DIR, errno);
}

static struct err make_all(const char *path)
{
    char part[PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof(part))
        return fail(ERR_DATA_DIR, len == 0 ? ENOENT : ENAMETOOLONG);
    for (size_t i = 0; i <= len; i++) {
        bool is_end = path[i] == '/' || path[i] == '\0';
        if (i > 0 && is_end && path[i - 1] != '/') {
            part[i] = '\0';
            TRY(make_one(part));
        }
        part[i] = path[i];
    }
    return OK;
}

struct err data_dir_open(const char *path, int *ret_fd)
{
    TRY(make_all(path));
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail(ERR_DATA_DIR, errno);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int code = errno;
        (void)close(fd);
        return code == EWOULDBLOCK ? fail(ERR_DATA_LOCKED, 0) : fail(ERR_DATA_DIR, code);
    }
    *ret_fd = fd;
    return OK;
}

void data_dir_close(int fd)
{
    (void)close(fd);
}

struct err data_dir_create_file(int dir_fd, const char *name, int *ret_fd)
{
    int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fail(ERR_IO, errno);
    if (fchmod(fd, 0600) != 0) {
        int code = errno;
        (void)close(fd);
        return fail(ERR_IO, code);
    }
    *ret_fd = fd;
    return OK;
}

struct err data_dir_ensure_file(int dir_fd, const char *name)
{
    int fd;
    struct err e = data_dir_create_file(dir_fd, name, &fd);
    if (failed(e))
        return e.detail == EEXIST ? OK : e;
    (void)close(fd);
    return OK;
}
