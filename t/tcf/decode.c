/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * What src/core/cg_tcf.c reads out of TC strings: lines "STRING VENDOR ..."
 * in, a line of JSON or of an error each out.
 */

#include <stdio.h>
#include <stdlib.h>

#include "cg_tcf.h"


static void
print_set(const char *name, uint64_t set)
{
    const char  *comma = "";

    printf("\"%s\":[", name);

    for (int i = 0; i < 64; i++) {
        if (set >> i & 1) {
            printf("%s%d", comma, i + 1);
            comma = ",";
        }
    }

    printf("],");
}


static void
print_flag(const char *name, bool flag, const char *end)
{
    printf("\"%s\":%s%s", name, flag ? "true" : "false", end);
}


static void
print_vendors(const cg_tcf_t *t)
{
    const cg_tcf_vendor_t  *v;

    printf("\"vendors\":[");

    for (size_t i = 0; i < t->nvendors; i++) {
        v = &t->vendors[i];

        printf("%s{\"id\":%u,", i ? "," : "", v->id);
        print_set("barred", v->barred);
        print_flag("consent", v->consent, ",");
        print_flag("interest", v->interest, ",");
        print_flag("disclosed", v->disclosed, "}");
    }

    printf("]");
}


static void
print_string(const cg_tcf_t *t)
{
    printf("{\"created\":%lld,\"updated\":%lld,", (long long) t->created,
           (long long) t->updated);
    printf("\"cmp\":%u,\"cmp_version\":%u,\"screen\":%u,", t->cmp,
           t->cmp_version, t->screen);
    printf("\"language\":\"%.2s\",\"publisher_country\":\"%.2s\",",
           (const char *) t->language, (const char *) t->publisher_country);
    printf("\"list_version\":%u,\"policy\":%u,", t->list_version, t->policy);
    print_flag("other_texts", t->other_texts, ",");
    print_flag("no_purpose_one", t->no_purpose_one, ",");
    print_set("features", t->features);
    print_set("consents", t->consents);
    print_set("interests", t->interests);
    print_set("segments", t->has_disclosed | t->has_allowed << 1
                          | t->has_publisher << 2);
    print_set("publisher_consents", t->publisher_consents);
    print_set("publisher_interests", t->publisher_interests);
    print_set("custom_consents", t->custom_consents);
    print_set("custom_interests", t->custom_interests);
    print_vendors(t);
    printf("}\n");
}


int
main(void)
{
    size_t    n;
    char      line[2 * CG_MAX_TCF], *word;
    cg_str_t  text;
    cg_tcf_e  error;
    cg_tcf_t  t;
    uint16_t  vendors[CG_MAX_PURPOSES];

    while (fgets(line, sizeof(line), stdin)) {
        text.data = (uint8_t *) line;
        text.len = strcspn(line, " \n");
        word = line + text.len;

        for (n = 0; *word == ' ' && n < CG_MAX_PURPOSES; n++) {
            vendors[n] = (uint16_t) strtoul(word, &word, 10);
        }

        error = cg_tcf_parse(&t, text, vendors, n);

        if (error == CG_TCF_OK) {
            print_string(&t);

        } else {
            printf("%s\n", (const char *) cg_tcf_error(error).data);
        }
    }

    return 0;
}
