/* model_check.h - what a single field of the model may hold.
 *
 * Purpose: the shape_check_fn's of model_shapes.c: each says what is wrong with one text, and
 *          replaces it by its normal form.  Rules between fields are in route_build.c and
 *          settings_build.c.
 * Thread:  any.
 * Owns:    results live in the caller's arena. */
#pragma once

#include "store/shape.h"

shape_check_fn model_check_id; /* also "auto", "none", "reject", "404": words look like ids */
shape_check_fn model_check_path;
shape_check_fn model_check_add_prefix; /* "/" is none */
shape_check_fn model_check_media_type;
shape_check_fn model_check_host_header;
shape_check_fn model_check_header_name;
shape_check_fn model_check_target_url;
shape_check_fn model_check_server_name;
shape_check_fn model_check_pin;
shape_check_fn model_check_balance;
shape_check_fn model_check_cookie_name;
shape_check_fn model_check_protocol; /* of a word that is not available */
shape_check_fn model_check_cidr;
shape_check_fn model_check_listener; /* ":443", "127.0.0.1:443", "[::1]:443" */
shape_check_fn model_check_resolver; /* "192.0.2.53:53", "[::1]:53" */
shape_check_fn model_check_directory;
shape_check_fn model_check_contact;
shape_check_fn model_check_base64;
shape_check_fn model_check_probe_path;
shape_check_fn model_check_statuses;
shape_check_fn model_check_token_text; /* printable, without spaces */

/* A field value of a header: no CR, LF, NUL or other control but tab; NULL: nothing is wrong.
 * */
const char *model_check_header_value(struct str value);
