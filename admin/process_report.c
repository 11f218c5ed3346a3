#include "admin/process_report.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static int64_t read_cpu_us(void)
{
    struct timespec used;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) != 0)
        return PROCESS_UNKNOWN;
    return (int64_t)used.tv_sec * 1000000 + used.tv_nsec / 1000;
}

/* proc(5): the second number of statm, in pages. */
static int64_t read_resident_bytes(void)
{
    long long pages = PROCESS_UNKNOWN;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return PROCESS_UNKNOWN;
    bool is_read = fscanf(file, "%*d %lld", &pages) == 1;
    (void)fclose(file);
    return is_read ? pages * sysconf(_SC_PAGESIZE) : PROCESS_UNKNOWN;
}

static int64_t count_fds(void)
{
    int64_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return PROCESS_UNKNOWN;
    for (const struct dirent *it = readdir(dir); it != NULL; it = readdir(dir))
        count += it->d_name[0] != '.';
    (void)closedir(dir);
    return count - 1; /* without the one of dir */
}

static int64_t read_max_fds(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return PROCESS_UNKNOWN;
    return limit.rlim_cur > INT64_MAX ? INT64_MAX : (int64_t)limit.rlim_cur;
}

struct process_report process_report_read(void)
{
    return (struct process_report){.cpu_us = read_cpu_us(),
                                   .resident_bytes = read_resident_bytes(),
                                   .open_fds = count_fds(),
                                   .max_fds = read_max_fds()};
}
