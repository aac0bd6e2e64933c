/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_PATH_H
#define CG_PATH_H

#include "cg_str.h"


/*
 * Whether two servers may take the path of a request line for two different
 * ones. nginx matches "/app/..%2ffeed" as "/feed", and "proxy_pass" without a
 * URI sends it on as it is, to a server for which it lies below "/app/". So
 * it is ambiguous to encode a slash, a backslash or a dot, once or more than
 * once ("%252f": behind "proxy_pass http://up$uri" it is decoded again), to
 * write a backslash, and to have a segment "." or "..", also before a ";"
 * (which starts parameters of a segment, RFC 3986, 3.3) or an escape of any
 * kind. So is a "#": nginx matches what stands before it and sends all of it
 * on. A query does not matter.
 */
bool cg_path_ambiguous(cg_str_t path);

#endif /* CG_PATH_H */
