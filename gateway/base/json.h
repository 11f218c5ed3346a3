/* json.h - strict reading of small JSON documents with jansson.
 *
 * Purpose: one place for parser limits, and the "required string, optional array" readers that
 *          code talking to foreign JSON needs.
 * Thread:  any; a json_t belongs to one thread.
 * Owns:    json_read gives a new reference; readers borrow from the document.
 * Limits:  JSON_DEPTH_MAX levels; size is bounded by the caller.
 * Fails:   ERR_JSON (detail: line), ERR_JSON_FIELD. */
#pragma once

#include "gateway/base/buf.h"

#include <jansson.h>

AUTO_DEFINE(json_decref, json_t *)

/* Refuses duplicate keys, trailing bytes, NUL in strings, depth beyond JSON_DEPTH_MAX. */
struct err json_read(struct str text, json_t **ret_doc);

/* The same; *ret_twice: the key that is a duplicate, as spelled in text, if that is what is
 * wrong; else empty. */
struct err json_read_told(struct str text, json_t **ret_doc, struct str *ret_twice);

/* Compact text appended to out. */
struct err json_write(const json_t *doc, struct buf *out);

/* Indented by two spaces, for people. */
struct err json_write_pretty(const json_t *doc, struct buf *out);

/* A member that must be there and be a string; the view lives as long as obj. */
struct err json_need_str(const json_t *obj, const char *key, struct str *ret_value);

/* A member that may be absent or null: then *ret_value is empty. */
struct err json_want_str(const json_t *obj, const char *key, struct str *ret_value);

/* A member that must be there and be an array or an object; borrowed. */
struct err json_need_array(const json_t *obj, const char *key, json_t **ret_array);
struct err json_need_object(const json_t *obj, const char *key, json_t **ret_object);

/* A string value as a view; empty if it is no string. */
struct str json_str(const json_t *value);

/* New string value; NULL when out of memory or not UTF-8. */
json_t *json_from_str(struct str s);
