/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ctl_subject.h"


static ctl_exit_e ctl_who_visitor(ctl_t *ctl, const char *cookie,
    cg_subject_t *subject);
static ctl_exit_e ctl_who_pseudonym(ctl_t *ctl, const char *text,
    cg_subject_t *subject);


ctl_exit_e
ctl_who(ctl_t *ctl, ctl_who_t *who)
{
    const char  *account, *visitor, *pseudonym;
    ctl_exit_e   rc;

    memset(who, 0, sizeof(ctl_who_t));

    account = ctl_option(ctl, "subject");
    visitor = ctl_option(ctl, "visitor");
    pseudonym = ctl_option(ctl, "pseudonym");

    if ((account != NULL) + (visitor != NULL) + (pseudonym != NULL) != 1) {
        return ctl_fail(ctl, CTL_USAGE, "give one of --subject, --visitor "
                        "and --pseudonym");
    }

    if (pseudonym != NULL) {
        return ctl_who_pseudonym(ctl, pseudonym, &who->subject);
    }

    rc = ctl_keys_load(ctl);
    if (rc != CTL_OK) {
        return rc;
    }

    who->checked = true;

    if (visitor != NULL) {
        return ctl_who_visitor(ctl, visitor, &who->subject);
    }

    return ctl_who_account(ctl, (cg_str_t) { strlen(account),
                                             (const uint8_t *) account },
                           &who->subject);
}


ctl_exit_e
ctl_who_account(ctl_t *ctl, cg_str_t id, cg_subject_t *subject)
{
    const char  *realm;

    if (id.len == 0) {
        return ctl_fail(ctl, CTL_USAGE, "an empty account is nobody");
    }

    realm = ctl_setting(ctl, CTL_REALM);

    if (!cg_subject_derive(subject, &ctl->keys, CG_SUBJECT_ACCOUNT,
                           (cg_str_t) { strlen(realm),
                                        (const uint8_t *) realm }, id))
    {
        return ctl_fail(ctl, CTL_FAILED, "libcrypto failed to make a "
                        "pseudonym");
    }

    return CTL_OK;
}


json_t *
ctl_pseudonym_json(const cg_pseudonym_t *p)
{
    uint8_t  text[CG_PSEUDONYM_LEN];

    cg_subject_text(p, text);

    return json_stringn((const char *) text, sizeof(text));
}


static ctl_exit_e
ctl_who_visitor(ctl_t *ctl, const char *cookie, cg_subject_t *subject)
{
    uint8_t      id[CG_VISITOR_ID_LEN];
    const char  *realm;

    if (!cg_visitor_open(&ctl->keys,
                         (cg_str_t) { strlen(cookie),
                                      (const uint8_t *) cookie }, id))
    {
        return ctl_fail(ctl, CTL_USAGE, "--visitor: this is no visitor cookie "
                        "of these keys");
    }

    realm = ctl_setting(ctl, CTL_REALM);

    if (!cg_subject_derive(subject, &ctl->keys, CG_SUBJECT_VISITOR,
                           (cg_str_t) { strlen(realm),
                                        (const uint8_t *) realm },
                           (cg_str_t) { sizeof(id), id }))
    {
        return ctl_fail(ctl, CTL_FAILED, "libcrypto failed to make a "
                        "pseudonym");
    }

    return CTL_OK;
}


static ctl_exit_e
ctl_who_pseudonym(ctl_t *ctl, const char *text, cg_subject_t *subject)
{
    size_t  len;

    len = strlen(text);

    if (len != CG_PSEUDONYM_LEN
        || cg_base64url_decode((cg_str_t) { len, (const uint8_t *) text },
                               subject->current.id) != CG_SUBJECT_ID_LEN)
    {
        return ctl_fail(ctl, CTL_USAGE, "--pseudonym: \"%s\" is not %d "
                        "characters of base64url", text, CG_PSEUDONYM_LEN);
    }

    return CTL_OK;
}
