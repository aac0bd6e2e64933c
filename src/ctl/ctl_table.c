/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ctl_commands.h"


static ctl_exit_e ctl_command_help(ctl_t *ctl, int argc, char **argv);


static const ctl_option_t  ctl_help_own[] = {
    { "table", NULL,
      "each command with its options on a line, for\n"
      "completion" },
    { NULL, NULL, NULL }
};


/* In the order of the help. */

const ctl_command_t  ctl_commands[] = {

    { "policy list", "[DOCUMENT]",
      "what is in force, and what will be",
      "Shows each document of the policy hash as the gate reads it, and what "
      "is wrong with a field that cannot be read.\n\n"
      "  consentctl policy list\n"
      "  consentctl policy list terms --json",
      NULL, ctl_policy_list },

    { "policy publish", "DOCUMENT",
      "put a version in force now",
      "Writes a document's field of the policy hash, after it has told how "
      "many subjects will be asked. Each nginx hears of it at once. Title and "
      "url stay if they are not given.\n\n"
      "  consentctl policy publish terms --version 20260101 \\\n"
      "      --file /var/www/legal/terms.html --dry-run\n"
      "  consentctl policy publish terms --version 20260102 --minor",
      ctl_policy_publish_options, ctl_policy_publish },

    { "policy schedule", "DOCUMENT",
      "announce a version that is required from a date on",
      "The same for a version that is required later. Until then what is "
      "required now stays so, and those who have it pass with a notice: show "
      "them a banner.\n\n"
      "  consentctl policy schedule terms --version 20260301 \\\n"
      "      --effective 2026-03-01 --file terms.html",
      ctl_policy_schedule_options, ctl_policy_schedule },

    { "subject show", "",
      "what is on record about somebody",
      "Shows the record of an account, of a visitor, or of a pseudonym: its "
      "fields as they are in Redis, what each means, and how long it is "
      "kept.\n\n"
      "  consentctl subject show --subject anna\n"
      "  consentctl subject show --pseudonym CjRtZ0aXk1mN3pQyT7vWbg --json",
      ctl_subject_options, ctl_subject_show },

    { "subject export", "",
      "somebody's copy of all that is kept",
      "Prints the record and the subject's events as JSON, in the form of the "
      "API's GET export, which docs/export.schema.json describes. Events that "
      "an erasure has left are in it, also without a record. An event whose "
      "signature is not good is left out.\n\n"
      "  consentctl subject export --subject anna > anna.json",
      ctl_subject_options, ctl_subject_export },

    { "subject erase", "",
      "erase somebody's record",
      "Erases the record as the visitor's own request would: an event says so, "
      "and what remains for two hours brings nothing back. Events are kept as "
      "proof until they are trimmed; the answer says how many and how long.\n\n"
      "  consentctl subject erase --subject anna",
      ctl_subject_erase_options, ctl_subject_erase },

    { "subject residence", "",
      "correct where somebody lives",
      "Declares a country of residence, or takes the declaration back, with an "
      "event that says so. Who has no record gets none.\n\n"
      "  consentctl subject residence --subject anna --country NO\n"
      "  consentctl subject residence --subject anna --clear",
      ctl_subject_residence_options, ctl_subject_residence },

    { "pending", "",
      "who has not accepted what is in force",
      "Reads a list of accounts on standard input and prints those who have "
      "not accepted, which is what `consentctl link` reads. An account cannot "
      "be told from its record: therefore the list is yours. With --scan it "
      "counts all subjects that have a record, visitors and accounts. Those "
      "without a record, and where they are, are not known then.\n\n"
      "  consentctl pending < accounts | consentctl link > mailing\n"
      "  consentctl pending --format csv --column id < users.csv\n"
      "  consentctl pending --scan --rate 20000 --json",
      ctl_pending_options, ctl_pending },

    { "checkpoint", "",
      "sign how far the events are",
      "Checks the events that came since the last time and writes, for each "
      "bucket that has changed, the link of its last event to the file of "
      "checkpoints, signed. Who can write to Redis can then no longer change "
      "what went before unseen. Keep the file on another machine than "
      "Redis; it must not be shortened.\n\n"
      "  consentctl checkpoint",
      ctl_checkpoint_options, ctl_checkpoint },

    { "verify", "",
      "look for events that are missing, moved or altered",
      "Checks the signature of each event, that each follows from the one "
      "before in its bucket and in its subject's history, that the record of "
      "each of these subjects names an event that is there, and all of it "
      "against the checkpoints. "
      "The first fault of each bucket is named: malformed, unknown_key, "
      "altered, moved, repeated, reordered, missing, truncated, forked.\n\n"
      "  consentctl verify\n"
      "  consentctl verify --subject anna\n"
      "  consentctl verify --bucket 0a3 --json",
      ctl_verify_options, ctl_verify },

    { "events export", "",
      "write old events to a file",
      "Writes events as JSON Lines: bucket, entry, and b, m and l as they are "
      "in Redis. Beside it goes a signed manifest: how far each bucket has "
      "been exported. Events are checked on the way; a bucket with a fault is "
      "left out. Both files appear when they are complete.\n\n"
      "  consentctl events export --output 2026-01.jsonl\n"
      "  consentctl events export --output all.jsonl --all",
      ctl_events_export_options, ctl_events_export },

    { "events trim", "",
      "delete what has been exported and is older than proof",
      "Deletes the events of an export from Redis, if the file is as it was "
      "written, if they are older than proof, and if those in Redis are "
      "the same ones. The last event of each bucket stays, for the next one "
      "builds on it. Where the chain begins from now on is signed in the file "
      "of checkpoints, which verify needs.\n\n"
      "  consentctl events trim --manifest 2026-01.jsonl.manifest --dry-run",
      ctl_events_trim_options, ctl_events_trim },

    { "link", "",
      "links for an email that asks to accept",
      "Makes a link that opens the policy page for an account, from any "
      "address, and lets whoever follows it accept, once. Without --subject a "
      "list of accounts is read on standard input; what comes out is CSV with "
      "the columns subject, link and expires, or JSON Lines with --json or "
      "--format jsonl.\n\n"
      "  consentctl link --subject 42 --expires 14d \\\n"
      "             --url https://example.com/consent/link\n"
      "  consentctl link --format csv --column id \\\n"
      "             --url https://example.com/consent/link < list > mailing",
      ctl_link_options, ctl_link },

    { "override", "",
      "a token for testers",
      "Makes a token that lets whoever holds it be taken for somebody else, "
      "where consent_override says `signed`: in the header X-Consent-Override, "
      "or with --url as a link. It needs the file of keys and the realm, and "
      "no Redis.\n\n"
      "  consentctl override --country DE --ttl 1h\n"
      "  consentctl override --country US --anonymizer vpn --label anna \\\n"
      "             --record outdated --url https://test.example.com/",
      ctl_override_options, ctl_override },

    { "stats", "",
      "how many records, events and answers there are",
      "Counts records, events, and for each published document who has its "
      "version, an older one, or has declined. It reads every record, a page "
      "at a time. What happens at the gate is told by consent_status.\n\n"
      "  consentctl stats --rate 20000 --json",
      ctl_stats_options, ctl_stats },

    { "doctor", "",
      "look whether all is as it should be",
      "Lets nginx test its configuration; looks at the key file, the age of "
      "the country database, and at each Redis: version, role, eviction, "
      "persistence, clock, whether it runs scripts; then at the policies and "
      "the file of checkpoints. Each finding says what to do.\n\n"
      "  consentctl doctor --geoip /var/lib/consent-gate/country.mmdb\n"
      "  consentctl doctor --nginx /etc/nginx/nginx.conf",
      ctl_doctor_options, ctl_doctor },

    { "help", "[COMMAND]",
      "this, or all about a command",
      "  consentctl help policy publish",
      ctl_help_own, ctl_command_help },

    { NULL, NULL, NULL, NULL, NULL, NULL }
};


/* The longer name first: "policy list" before a "policy". */

const ctl_command_t *
ctl_command_find(int argc, char **argv, int *words)
{
    size_t                len;
    const ctl_command_t  *c;

    for (*words = 2; *words > 0; (*words)--) {

        if (*words > argc) {
            continue;
        }

        for (c = ctl_commands; c->name != NULL; c++) {
            len = strlen(argv[0]);

            if (*words == 1) {
                if (strcmp(c->name, argv[0]) == 0) {
                    return c;
                }

            } else if (strncmp(c->name, argv[0], len) == 0
                       && c->name[len] == ' '
                       && strcmp(c->name + len + 1, argv[1]) == 0)
            {
                return c;
            }
        }
    }

    return NULL;
}


static ctl_exit_e
ctl_command_help(ctl_t *ctl, int argc, char **argv)
{
    int                   words;
    const ctl_command_t  *command;

    if (ctl_option(ctl, "table") != NULL) {
        ctl_help_table(stdout);
        return CTL_OK;
    }

    if (argc == 0) {
        ctl_help(stdout);
        return CTL_OK;
    }

    command = ctl_command_find(argc, argv, &words);

    if (command == NULL || words != argc) {
        return ctl_fail(ctl, CTL_USAGE, "no command \"%s%s%s\"", argv[0],
                        argc > 1 ? " " : "", argc > 1 ? argv[1] : "");
    }

    ctl_help_command(stdout, command);

    return CTL_OK;
}
