/* limits.h - every ceiling and default of all parts, with unit and reason.
 *
 * Nothing that a client, a target, a CA or an API caller can make us allocate or wait for is
 * without a line here; reading this page is the denial-of-service review. */
#pragma once

#define KIB (1024ull)
#define MIB (1024ull * KIB)

/* base */
#define BUF_BLOCK_BYTES     4096 /* first storage of a pooled buffer: a head and a small body */
#define BUF_BLOCKS_KEPT_MAX 128  /* per worker, for the next buffers: 512 KiB */
#define BUF_LARGE_BYTES     (128 * KIB) /* storage of one that carries large bodies */
#define BUF_LARGE_KEPT_MAX  16          /* per worker: 2 MiB */
/* Free memory each thread keeps: given back after each request it would have to be zeroed and
 * mapped in again for the next one. */
#define HEAP_SPARE_BYTES    (4 * 1024 * 1024)
#define HEAP_MAPPED_BYTES   (2 * 1024 * 1024) /* blocks of this size go back at once */
#define METRICS_THREADS_MAX 64                /* threads with a counter block of their own */
#define LOG_LINE_MAX_BYTES                                                                     \
    8192                    /* a line stays below what journald splits, with room for a URL */
#define LOG_BURST_EVENTS 32 /* event names remembered per thread by the repeat filter */
#define LOG_BURST_MAX    20 /* lines of one event and thread per LOG_BURST_MS */
#define LOG_BURST_MS     10000 /* ... then they are counted instead of written */
#define JSON_DEPTH_MAX   32    /* our deepest document has 7 levels */

/* store */
#define HOSTS_PER_ROUTE_MAX    100 /* a Let's Encrypt certificate holds 100 names */
#define TARGETS_MAX            64  /* per upstream; beyond that a load balancer is the target */
#define HEADER_OPS_MAX         64  /* header set/add/remove entries per route and direction */
#define TEMPLATE_VARIABLES_MAX 16  /* in one header value: each may be a whole URI */
#define RESPOND_BODY_MAX_BYTES                                                                 \
    (64 * KIB)                          /* of a fixed answer; larger ones belong to a target */
#define PINS_MAX            8           /* current and next keys of a target, with room */
#define ID_MAX_BYTES        64          /* slugs appear in paths, tables and metrics */
#define PEM_MAX_BYTES       (256 * KIB) /* a chain of 20 RSA-4096 certificates is 60 KiB */
#define CHAIN_MAX           20          /* certificates in one chain */
#define DB_LOG_PAGES        200         /* in the write-ahead log, then a thread copies them */
#define DB_LOG_MAX_PAGES    4096        /* ... and then the change that wrote so many: 16 MiB */
#define CHALLENGES_MAX      10000       /* open ACME challenges at once */
#define CONDITION_WORDS_MAX 1024        /* bytes; what was found out, in a sentence */
#define PUBLISH_WAIT_MS     5000        /* a write waits so long for the slowest worker */

/* gateway: client side */
#define CONNS_PER_WORKER_MAX     100000 /* beyond it new ones are closed at once */
#define FDS_RESERVED             64     /* not for clients or targets: store, admin API, logs */
#define SHORTAGE_QUIET_MS        60000  /* a shortage that returns sooner is the same one */
#define ACCEPT_BATCH_MAX         64 /* accepts per turn, so that open connections get theirs */
#define LISTEN_BACKLOG           4096       /* the kernel clamps to net.core.somaxconn */
#define HANDSHAKE_LIMIT_MS       10000      /* TLS handshake, from accept */
#define CLIENT_HELLO_MAX_BYTES   (16 * KIB) /* read before a connection is anybody's */
#define PROXY_HEADER_MAX_BYTES   (4 * KIB)  /* version 2 with extensions; real ones: < 1 KiB */
#define TICKET_KEY_MS            43200000   /* current so long, accepted as long again: a day */
#define TLS_TICKET_S             7200 /* a client's session; then certificates are shown anew */
#define HEAD_LIMIT_MS            15000 /* slow-loris bound: from first to last byte of a head */
#define KEEPALIVE_IDLE_MS        75000 /* client connection without a request */
#define TARGET_URI_MAX_BYTES     (16 * KIB)  /* request target; longer gets 414 */
#define HEAD_MAX_BYTES           (64 * KIB)  /* default of settings.max_header; more gets 431 */
#define HEAD_FIELDS_MAX          256         /* fields in one head: bounds the field table */
#define TRAILER_MAX_BYTES        (16 * KIB)  /* trailer section of a chunked body */
#define CHUNK_LINE_MAX_BYTES     256         /* chunk size line, extensions included */
#define CONNECTION_OPTIONS_MAX   32          /* options of Connection; each meets each field */
#define FORWARDED_ELEMENTS_MAX   32          /* proxies in a row that Forwarded tells of */
#define INTERIM_MAX              16          /* 1xx answers before the final one */
#define EXCHANGE_ARENA_BYTES     (8 * KIB)   /* first block: an ordinary request fits */
#define EXCHANGE_ARENAS_KEPT_MAX 128         /* per worker, for the next exchanges: 1 MiB */
#define EXCHANGE_ARENA_MAX_BYTES (512 * KIB) /* heads of both sides and what is made of them */
#define EARLY_BODY_MAX_BYTES     (128 * KIB) /* request body read before its target is up */
#define BODY_PASS_MIN_BYTES                                                                    \
    (8 * KIB) /* a piece of a body worth a write of its own instead of a copy */
#define BODY_PASS_QUEUE_BYTES (16 * KIB) /* ... unless more than a head waits before it */
#define RELAY_HIGH_BYTES                                                                       \
    (256 * KIB) /* queued towards a slow side: reading of the other stops */
#define LINK_OUT_MAX_BYTES                                                                     \
    (9 * MIB)          /* ... and this is the end: the high mark and the largest window fit */
#define LINGER_MS 2000 /* reading on after a final error answer, so it is not lost */

#define H2_STREAMS_MAX         100 /* exchanges at once per connection (RFC 9113 6.5.2) */
#define H2_WINDOW_BYTES        (64 * KIB)  /* body sent unasked: as much as rests in a socket */
#define H2_WINDOW_MAX_BYTES    (8 * MIB)   /* ... where a round trip brings that much */
#define H2_MEASURE_BYTES       (16 * KIB)  /* smaller bodies need no larger window */
#define H2_GROWTH_MAX_BYTES    (8 * MIB)   /* of a connection's windows together */
#define H2_GROWTH_ALL_BYTES    (128 * MIB) /* ... and of those of all connections of a worker */
#define H2_CHUNK_BLOCKS        128         /* connections whose sessions stand side by side */
#define H2_CONN_WINDOW_BYTES   (16 * MIB)  /* no limit of its own: see h2_window.c */
#define H2_OUT_BYTES           (64 * KIB)  /* framed ahead: beyond it urgency is not heeded */
#define H2_QUEUE_MAX_BYTES     (9 * MIB)   /* of a stream, unsent: as LINK_OUT_MAX_BYTES */
#define H2_QUEUED_BUDGET_BYTES (4 * MIB)   /* unsent of a connection; then each byte ... */
#define H2_QUEUED_WEIGHT       16          /* ... counts so often: targets pause sooner */
#define H2_GLITCHES_MAX        500 /* resets, pings, ... that no answer sent has made up for */
#define H2_TURN_FIELDS         500 /* decoded at once, then others get their turn: 25 heads */
#define H2_SURPLUS_FIELDS      8   /* of a head that is refused: the rest is passed over ... */
#define H2_SURPLUS_GLITCHES    100 /* ... and as bad as so many glitches */
#define H2_SURPLUS_BYTES       512 /* of a head that is malformed: a glitch */
#define H2_LINGER_BYTES        (1 * MIB) /* read on behind GOAWAY: what was on its way */
#define H2_EXCUSES_OF_DATA     3 /* PINGs and small WINDOW_UPDATEs that a piece sent allows */
#define H2_EXCUSES_MAX         300
#define H2_USEFUL_BYTES        1024 /* a DATA frame from which on it makes up for a glitch */
#define H2_UPDATE_MIN_BYTES    256  /* smaller WINDOW_UPDATEs are glitches */

/* gateway: target side */
#define TARGET_SILENCE_MS    30000  /* HTTP/2 with requests under way: then it is asked, ... */
#define TARGET_PING_EVERY_MS 310000 /* ... not oftener: gRPC's servers allow one in 5 minutes */
#define CONNECT_LIMIT_MS     5000   /* default of timeouts.connect: TCP and TLS together */
#define RESPONSE_LIMIT_MS                                                                      \
    3600000 /* default of timeouts.response: Nextcloud assembles for long */
#define IDLE_LIMIT_MS        3600000 /* default of timeouts.idle: WebSockets rest for long */
#define POOL_IDLE_MS         60000   /* kept-alive target connection without a request */
#define EJECTION_MAX_MS      300000 /* a target whose requests failed is tried again after it */
#define POOL_IDLE_MAX        256    /* kept-alive connections per target and worker */
#define POOL_SWEEP_STEPS     32     /* closed or looked at in one turn: well below 1 ms */
#define RETRIES_DEFAULT      2      /* further targets tried after a connect failure */
#define RETRIES_MAX          10
#define TLS_SESSIONS_MAX     1024 /* targets per worker whose TLS session is kept: KiB each */
#define TLS_SWEEP_MAX        16   /* of them looked at per new snapshot: traffic waits for it */
#define TLS_SESSION_MAX_MS   3600000 /* ... before the target's certificate is verified anew */
#define DIAL_NEXT_MS         250     /* then the next address is tried as well (RFC 8305 5) */
#define PROBE_FIRST_MS       1000    /* the first check of a target comes within it */
#define PROBE_BODY_MAX_BYTES (64 * KIB) /* of a checked answer; the rest is not waited for */
#define DNS_FAMILY_MAX       8          /* addresses kept per name and family */
#define DNS_ADDRESSES_MAX    (2 * DNS_FAMILY_MAX)
#define DNS_PATIENCE_MS      50 /* RFC 8305 3: for the other family's answer */
#define DNS_TTL_MIN_S        1  /* a TTL of 0 must not mean a query per request */
#define DNS_TTL_MAX_S        3600
#define DNS_REFRESH_PART     10    /* in the last tenth of its TTL a name is asked for again */
#define DNS_GRACE_S          30    /* expired for no longer, addresses serve while we ask */
#define DNS_STALE_S          3600  /* a name that no longer resolves keeps its last addresses */
#define DNS_FAIL_S           5     /* a failed look-up is not repeated sooner */
#define DNS_NAMES_MAX        10000 /* names cached per worker */
#define DRAIN_LIMIT_MS       30000 /* default of settings.drain_timeout */

#define LOG_RING_BYTES  (256 * KIB) /* log lines of one thread that wait for the writer */
#define LOG_THREADS_MAX 96          /* with a ring: the workers, and 32; others lose lines */
#define LOG_RECENT_MAX  50          /* warnings and errors kept for status */
#define LOG_END_LIMIT_S 2           /* the last lines may take so long when the process ends */

/* admin */
#define ADMIN_BODY_MAX_BYTES   (1 * MIB)   /* any body but a configuration */
#define ADMIN_CONFIG_MAX_BYTES (128 * MIB) /* 100,000 routes */
#define ADMIN_CONNECTIONS_MAX  128         /* at once, per admin listener */
#define ADMIN_IDLE_S           30          /* silent API connection */
#define ADMIN_THREADS          2 /* per listener: one long import leaves health answers */
#define ADMIN_HEAD_MAX_BYTES   (32 * KIB) /* request head, per connection */
#define ADMIN_FIELDS_MAX       64         /* fields of a head; query parameters */
#define ADMIN_DISCARD_MAX_BYTES                                                                \
    (256 * MIB) /* of a refused body, read so that the answer arrives */
#define ADMIN_REPLY_MAX_BYTES (1024 * MIB) /* 100,000 routes as text, with room */
#define ADMIN_ARENA_BYTES     (8 * KIB)    /* first block of a request */
#define ADMIN_ARENA_MAX_BYTES (64 * MIB)   /* a sorted list of 1,000,000 objects */
#define AUTH_SOURCES_MAX      256          /* addresses with failed attempts remembered */
#define AUTH_FAILURES_MAX     10           /* wrong tokens per source and window, then 429 */
#define AUTH_WINDOW_MS        60000
#define CLI_CONNECT_LIMIT_MS  5000         /* command line to the admin interface */
#define CLI_REQUEST_LIMIT_MS  600000       /* ... an import of 100,000 routes included */
#define CLI_ARENA_MAX_BYTES   (1024 * MIB) /* tables of 1,000,000 rows */
#define CLI_FILE_MAX_BYTES    (128 * MIB)  /* a file named on the command line */
#define METRICS_ROUTES_MAX    5000         /* with traffic, in one answer: 16 MiB of text */
#define METRICS_TARGETS_MAX   20000        /* ... and 16 MiB more */
#define TOKENS_MAX            1000         /* API tokens */

/* acme */
#define ACME_CONNECT_LIMIT_MS    15000     /* to the CA */
#define ACME_REQUEST_LIMIT_MS    60000     /* one request, all in all */
#define ACME_BODY_MAX_BYTES      (1 * MIB) /* one answer of the CA */
#define ACME_HEAD_MAX_BYTES      (64 * KIB)
#define ACME_REDIRECTS_MAX       10      /* of the directory only */
#define ACME_NONCES_MAX          16      /* unused nonces kept */
#define ACME_NONCE_MAX_MS        3600000 /* ... for an hour */
#define ACME_NONCE_TRIES_MAX     10      /* badNonce answers in a row to one request */
#define ACME_PHASE_LIMIT_MS      300000  /* polling one phase of an order, then later again */
#define ACME_RETRY_AFTER_MIN_MS  1000    /* clamp of Retry-After while polling ... */
#define ACME_RETRY_AFTER_MAX_MS  60000
#define ACME_CHALLENGE_MAX_BYTES 256       /* token; RFC 8555 asks for at least 22 characters */
#define ACME_URL_MAX_BYTES       2048      /* any address given by a CA */
#define ACME_NONCE_MAX_BYTES     256       /* longer nonces are not kept */
#define ACME_WORDS_MAX_BYTES     4096      /* of each text of a problem document */
#define ACME_SUBPROBLEMS_MAX     100       /* one per name of a full certificate */
#define ACME_AUTHZS_MAX          200       /* per order: 100 names, each perhaps asked twice */
#define ACME_PROFILES_MAX        32        /* listed by a directory */
#define ACME_ORDER_MAX_BYTES     (4 * MIB) /* what one order remembers */
#define ACME_STEP_MAX_BYTES      (8 * MIB) /* answers looked at in one step of an order */
#define ACME_DIRECTORY_MAX_MS    43200000  /* a directory is read again after 12 h */
#define ACME_ORDERS_MAX          64        /* of the setting: orders under way at once */
#define ACME_TURNS_MAX           100       /* steps of one order without rest: a circle */
#define ACME_RESTARTS_MAX        2       /* new orders in place of one that is gone at the CA */
#define ACME_HOLD_MS             60000   /* an unreachable CA is left alone so long */
#define ACME_LIMIT_STANDARD_MS   3600000 /* a CA that wants to be left alone, not how long */
#define ACME_SAVE_RETRY_MS       10000   /* the database refused: nothing goes out till then */
#define ACME_SLEEP_MAX_MS        300000  /* clock jumps are noticed this late at most */
#define ACME_SKEW_TOLD_S         60      /* the CA's clock and ours may differ so much unsaid */
#define ACME_ARI_MIN_MS          60000   /* between questions about one certificate ... */
#define ACME_ARI_MAX_MS          86400000 /* ... whatever the CA says (RFC 9773 4.3.2) */
#define ACME_ARI_LONG_MS         21600000 /* after an answer of no use, 6 h (4.3.3) */
#define ACME_ARI_BATCH_MAX       8    /* of these questions in a row; orders wait meanwhile */
#define ACME_ISSUERS_MAX         16   /* names that a CA is listed under in CAA records */
#define DNS_ASK_LIMIT_MS         5000 /* all questions of one pre-check together */
#define DNS_ASKED_MAX            32   /* ... of which so many are under way at once */
#define DNS_RECORDS_MAX          256  /* in one answer */
#define DNS_ALIASES_MAX          10   /* CNAMEs in a row; resolvers stop there as well */
#define ACME_SKEW_MAX_S          3600 /* a fresh certificate may begin this far in our future */

/* alarm */
#define ALARM_GRACE_S            60         /* a planned renewal takes so long without a word */
#define ALARM_PASSING_FAILURES   3          /* in a row of a kind that mostly passes: 2 hours */
#define ALARM_SCAN_MS            200        /* between looks at all certificates */
#define ALARM_SLEEP_MAX_MS       300000     /* clock jumps are noticed this late at most */
#define ALARM_RETRY_MS           10000      /* the database refused */
#define ALARM_MESSAGE_MAX_S      259200     /* older messages are of no use: 3 days */
#define ALARM_REFUSALS_MAX       8          /* of one message, 10 minutes; then the next one */
#define ALARM_TEXT_MAX_BYTES     (64 * KIB) /* a CA's words and 100 names */
#define MAIL_SUBJECT_MAX         200
#define SEND_CONNECT_LIMIT_MS    5000
#define SEND_LIMIT_MS            15000      /* one attempt, all in all */
#define SEND_ANSWER_MAX_BYTES    (64 * KIB) /* of a webhook's answer, which nobody reads */
#define SEND_BACKOFF_MIN_MS      5000       /* doubled with each attempt ... */
#define SEND_BACKOFF_MAX_MS      900000     /* ... up to a quarter of an hour */
#define ALARM_RECIPIENTS_MAX     20         /* of an e-mail */
#define ALARM_MESSAGES_MAX       256  /* not yet delivered, per channel; then the oldest go */
#define SERVED_LIMIT_MS          3000 /* connecting to ourselves; each read then */
#define SERVED_SHAKES_PER_WORKER 4    /* the kernel spreads them: 2 % miss one worker */
#define SERVED_SHAKES_MAX        256  /* ... for a certificate, names and workers considered */
#define SERVED_ROUNDS            3    /* looks at what is wrong before it is said */
#define SERVED_ROUND_MS          1000 /* ... and between them: workers have it by then */
#define SERVED_AGAIN_S           60   /* what is not good is looked at again */
#define SERVED_PACE_MS           5    /* between certificates: traffic goes first */
