/* process_report.h - what the kernel says about this process.
 *
 * Purpose: the numbers that dashboards know as process_*, for /metrics.
 * Thread:  any; reads /proc, where descriptors are counted one by one.
 * Owns:    nothing.
 * Fails:   a number that cannot be had is PROCESS_UNKNOWN. */
#pragma once

#include <stdint.h>

enum { PROCESS_UNKNOWN = -1 };

struct process_report {
    int64_t cpu_us; /* of all threads, in user mode and in the kernel */
    int64_t resident_bytes;
    int64_t open_fds;
    int64_t max_fds; /* more are refused; INT64_MAX: no limit */
};

struct process_report process_report_read(void);
