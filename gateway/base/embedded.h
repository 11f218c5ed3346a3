/* embedded.h - a file compiled into the binary (see contrib/cmake/EmbedFiles.cmake). */
#pragma once

#include <stddef.h>

struct embedded_file {
    const char *name; /* base name; NULL ends a table */
    const unsigned char *data;
    size_t size;
    const char *sha256; /* hex */
};
