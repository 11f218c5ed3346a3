/* scan.h - what the certificates of a snapshot need now.
 *
 * Purpose: each automatic certificate is judged (due.h): it becomes an order, or its next
 *          action says what it waits for: a time, a limit, the CA, an administrator, a route.
 * Thread:  the ACME thread.
 * Limits:  as many orders at once as the settings say; the others queue, those first whose end
 *          is near, then those that have waited longest.  All notes go into one transaction.
 * Fails:   with a line in the log; another scan follows. */
#pragma once

struct acme;

void scan_certificates(struct acme *a);
