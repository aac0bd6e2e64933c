/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CG_POLICY_H
#define CG_POLICY_H

#include "cg_str.h"


#define CG_MAX_DOCUMENTS  16
#define CG_MAX_PURPOSES   16
#define CG_MAX_NAME       32      /* bytes of a document's or purpose's name */
#define CG_MAX_TITLE      128     /* bytes */
#define CG_MAX_URL        512     /* bytes */
#define CG_MAX_POLICY     2048    /* bytes of one field of the policy hash */
#define CG_MAX_VERSION    UINT32_MAX

typedef uint16_t  cg_docs_t;      /* a set of documents, bit i is document i */
typedef uint16_t  cg_purposes_t;  /* a set of purposes */


/*
 * What is in force for one document. `version` is the current text,
 * `required` the lowest acceptance that counts from `effective` on, `before`
 * the lowest that counts until then.
 */

typedef struct {
    bool      known;
    bool      has_sha256;
    uint32_t  version;
    uint32_t  required;
    uint32_t  before;
    int64_t   effective;             /* seconds since 1970 */
    uint8_t   sha256[32];
    uint16_t  title_len;
    uint16_t  url_len;
    uint8_t   title[CG_MAX_TITLE];
    uint8_t   url[CG_MAX_URL];
} cg_policy_t;

/*
 * A document's name: letters, digits and '_', starting with a letter, at most
 * CG_MAX_NAME. (It becomes a part of variables, fields and form values.)
 */
bool cg_name_valid(cg_str_t name);

/*
 * Applies one word, "version=20180525", to `p`. Words: version, required,
 * before (1 to CG_MAX_VERSION; before may be 0), effective (seconds since
 * 1970), sha256 (64 hexadecimal digits), title, url (UTF-8 without control
 * bytes; url is a path with one leading '/', or https:// or http://).
 * Returns NULL, or a static text that says what is wrong with the word.
 */
const char *cg_policy_word(cg_policy_t *p, cg_str_t word);
/*
 * Fills in what was not said (required = version, before = 0 and effective =
 * 0) and checks the whole: version is there, required <= version, before <=
 * required. Sets `known`. Returns NULL or what is wrong.
 */
const char *cg_policy_finish(cg_policy_t *p);
/*
 * Parses one field of the policy hash: words between spaces, a word or the
 * part behind its '=' in double quotes when it has spaces, '\' escaping the
 * next character inside them. A word given twice or unknown is an error, so
 * that a slip of the pen is noticed and not half applied. `p` is only written
 * on success. Returns NULL or a static text.
 */
const char *cg_policy_parse(cg_policy_t *p, cg_str_t field);

/* The lowest version whose acceptance counts at `now`; 0 is none. */
static inline uint32_t
cg_policy_enforced(const cg_policy_t *p, int64_t now)
{
    if (!p->known) {
        return 0;
    }

    return now >= p->effective ? p->required : p->before;
}

#endif /* CG_POLICY_H */
