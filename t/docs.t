# docs/directives.md and the source tell the same: directives and contexts,
# settings of the store, variables, tokens, the API. Links of the documents
# lead somewhere.

use v5.36;

use FindBin ();
use Test::More;

my $top = "$FindBin::Bin/..";

sub slurp ($path) {
    open my $fh, '<:encoding(UTF-8)', "$top/$path" or die "$path: $!\n";
    local $/ = undef;
    return scalar <$fh>;
}

# What stands between two patterns.
sub between ($text, $from, $to) {
    return $text =~ /$from(.*?)$to/s ? $1 : die "no $from ... $to\n";
}

sub same ($documented, $real, $name) {
    my %documented = map { $_ => 1 } @$documented;
    my %real       = map { $_ => 1 } @$real;

    is_deeply([grep { !$documented{$_} } sort keys %real], [],
        "$name: all are documented");
    is_deeply([grep { !$real{$_} } sort keys %documented], [],
        "$name: all that is documented exists");
    is(scalar @$documented, scalar keys %documented, "$name: each once");
    cmp_ok(scalar @$real, '>', 0, "$name: there are some");

    return;
}

# The section of a heading, up to the next one of its level or above.
sub section ($text, $heading) {
    my ($level) = $heading =~ /^(#+)/;
    my $n = length $level;

    return between("$text\n# end\n", qr/^\Q$heading\E\n/m,
        qr/^#{1,$n} (?=\S)/m);
}

# The first column of the tables in a text: what is in back quotes.
sub first_column ($text) {
    return map { /`([^`]+)`/g } map { /^\|([^|]+)\|/ ? $1 : () }
        grep { /^\| `/ } split /\n/, $text;
}


my $doc = slurp('docs/directives.md');

# Fenced blocks hold lines that look like headings.
my $prose = $doc =~ s/^```.*?^```$//msgr;


subtest 'directives' => sub {
    my $source = slurp('src/http/ngx_http_consent_gate_module.c');
    my ($anywhere) = $source
        =~ /define NGX_HTTP_CONSENT_ANYWHERE\s*\\\s*\(([^)]+)\)/;
    my @names = ([MAIN => 'http'], [SRV => 'server'], [LOC => 'location']);
    my %real;

    while ($source =~ /\{ ngx_string\("(consent_\w+)"\),\s*([A-Z0-9_|\s]+),/g) {
        my ($name, $flags) = ($1, $2);

        $flags =~ s/NGX_HTTP_CONSENT_ANYWHERE/$anywhere/;
        $real{$name} = join ', ',
            map { $flags =~ /NGX_HTTP_$_->[0]_CONF/ ? $_->[1] : () } @names;
    }

    my $directives = section($doc, '## Directives');
    my @documented = $directives =~ /^### (\S+)$/mg;

    same(\@documented, [keys %real], 'directives');

    for my $name (grep { $real{$_} } @documented) {
        my $text = section($directives, "### $name");
        my ($syntax, $default, $context) = $text =~
            /^```\nSyntax:  (.*?)\nDefault: (.*?)\nContext: (.*?)\n```$/ms;

        like($syntax, qr/\A\Q$name\E(?: .*)?(?:;|\{ \.\.\. \})\z/s,
            "$name: syntax");
        like($default, qr/\A(?:-|\Q$name\E .*;)\z/, "$name: default");
        is($context, $real{$name}, "$name: context");
        like($text, qr/^```nginx\n(?:.*\n)*?.*\b\Q$name\E\b.*\n(?:.*\n)*?```$/m,
            "$name: an example");
    }
};


subtest 'values of an enumeration' => sub {
    my $source = slurp('src/http/ngx_http_consent_gate_module.c');
    my %values = $source =~ /ngx_conf_enum_t  (\w+)\[\] = \{(.*?)\n\};/sg;

    while ($source =~ /"(consent_\w+)"\),(?:(?!ngx_string).)*?&(\w+_values) \}/sg)
    {
        my ($name, $table) = ($1, $2);
        my $values = join ' | ', $values{$table} =~ /ngx_string\("(\w+)"\)/g;

        like($doc, qr/^Syntax:  \Q$name $values\E;$/m, $name);
    }
};


subtest 'settings of consent_store' => sub {
    my $source = slurp('src/http/ngx_http_consent_store_conf.c');
    my @real = between($source, qr/ngx_http_consent_settings\[\] = \{/,
        qr/ngx_null_string/) =~ /ngx_string\("(\w+)"\)/g;
    my $text = section($doc, '### consent_store');
    my @documented = $text =~ /^#### (\S+)$/mg;

    same(\@documented, \@real, 'settings');

    for my $name (@documented) {
        my ($block) = section($text, "#### $name") =~ /^```\n(.*?)^```$/ms;

        like($block, qr/\ASyntax:  $name .*;\nDefault: (?:-|$name .*;)\n/,
            "$name: syntax and default");
        like($block, qr/^Context: consent_store\n\z/m, "$name: context");
    }
};


subtest 'variables' => sub {
    my $source = slurp('src/http/ngx_http_consent_variables.c');
    my @real = between($source, qr/ngx_http_consent_vars\[\] = \{/,
        qr/ngx_http_null_variable/) =~ /ngx_string\("(\w+)"\)/g;
    my @documented = section($doc, '## Variables') =~ /^- `\$(\w+)`/mg;

    # a prefix stands for what the reader puts in: $consent_purpose_NAME
    same([map { s/_[A-Z_]+$/_/r } @documented], \@real, 'variables');

    my @fields = slurp('src/http/ngx_http_consent_document_variables.c')
        =~ /cg_str_eq\(field, cg_str\("(\w+)"\)\)/g;

    same([grep { $_ ne 'field' } first_column(section($doc, '## Variables'))],
        \@fields, 'fields of a document');
};


subtest 'names of the decision' => sub {
    my $source = slurp('src/core/cg_names.c');

    for (
        ['outcome', '### Outcomes'], ['reason', '### Reasons'],
        ['source', '### Sources'], ['class', '### Classes'],
    ) {
        my ($what, $heading) = @$_;
        my @real = between($source, qr/cg_${what}_names\[CG_\w+\] = \{/,
            qr/\n\};/) =~ /cg_str\("(\w+)"\)/g;
        my @documented = grep { !/^\$/ } first_column(section($doc, $heading));

        same(\@documented, \@real, $what);
    }
};


subtest 'the header Consent-Gate' => sub {
    my $source = slurp('src/http/ngx_http_consent_explain.c');
    my @real = $source =~ /field\("(\w+)",|cg_str\("; (\w+)="\)/g;
    @real = grep { defined } @real;
    my $text = section($doc, '### The Consent-Gate header');
    my ($example) = $text =~ /^Consent-Gate: (.*)$/m;

    same([first_column($text)], \@real, 'fields');
    is_deeply([$example =~ /(\w+)=/g], \@real, 'the example has them in order');
};


subtest 'the trace' => sub {
    my $source = slurp('src/http/ngx_http_consent_qa_json.c');
    my $main = join '', $source
        =~ /\nngx_http_consent_qa_json(?:_whom)?\((.*?)\n\}/gs;
    my ($fields, $steps) = section($doc, '### The trace')
        =~ /(.*)(\| step \| question.*)/s;

    # in `decided` there is a step, too
    my @real = grep { $_ ne 'step' } $main =~ /\\"(\w+)\\":/g,
        $source =~ /,\\"(place|record|classes|config)\\":/g;
    same([first_column($fields)], \@real,
        'fields');

    @real = between(slurp('src/core/cg_explain.c'),
        qr/cg_step_names\[CG_STEPS\] = \{/, qr/\n\};/)
        =~ /cg_str\("(\w+)"\)/g;
    same([grep { $_ ne 'step' } first_column($steps)], \@real, 'steps');
};


subtest 'overrides' => sub {
    my $text = section($doc, '## Overrides');
    my ($words, $records) = $text =~ /(.*)(\| `record` \| stands for.*)/s;
    my @words = between(slurp('src/core/cg_override_words.c'),
        qr/cg_words\[\] = \{/, qr/\n\};/) =~ /\{ cg_str\("(\w+)"\)/g;
    my @records = between(slurp('src/core/cg_override.c'),
        qr/cg_pretend_names\[CG_PRETENDS\] = \{/, qr/\n\};/)
        =~ /cg_str\("(\w+)"\)/g;

    same([first_column($words)], \@words, 'words');
    same([grep { $_ ne 'record' } first_column($records)], \@records,
        'records');
};


subtest 'the policy hash' => sub {
    my @real = between(slurp('src/core/cg_policy.c'),
        qr/cg_policy_words\[\] = \{/, qr/\n\};/) =~ /cg_str\("(\w+)"\)/g;

    same([first_column(section($doc, '## The policy hash'))], \@real, 'words');
};


subtest 'the API' => sub {
    my $api  = slurp('src/http/ngx_http_consent_api.c');
    my $post = slurp('src/http/ngx_http_consent_post_answer.c');
    my $answer = slurp('src/http/ngx_http_consent_answer.c');
    my $text = section($doc, '## The API');

    my @routes = between($api, qr/ngx_http_consent_routes\[\] = \{/,
        qr/ngx_null_string/) =~ /\{ ngx_string\("(\w+)"\)/g;

    same([map { /^(?:GET|POST) (\w+)$/ ? $1 : () } first_column($text)],
        \@routes, 'requests');

    same([first_column(section($doc, '### GET link'))], ['problem=',
            grep { length } between(slurp('src/core/cg_link.c'),
                qr/cg_link_names\[CG_\w+\] = \{/, qr/\n\};/)
                =~ /cg_str\("([^"]*)"\)/g],
        'what is wrong with a link');

    my ($problems, $types) = section($text, '### Problems')
        =~ /(.*)The gate itself answers(.*)/s;
    my @failures = between($post, qr/ngx_http_consent_failures\[\] = \{/,
        qr/\n\};/) =~ /\{ (\d+, "[\w-]+")/g;
    my @others = map { s/^NGX_HTTP_NOT_FOUND/404/r
                       =~ s/^NGX_HTTP_NOT_ALLOWED/405/r
                       =~ s/^NGX_HTTP_FORBIDDEN/403/r }
        $api =~ /api_problem\(r, (NGX_HTTP_\w+,\s+"[\w-]+")/g;

    same([map { /^\| `([\w-]+)` \| (\d+) / ? "$2 $1" : () } split /\n/,
            $problems],
        [map { /(\d+),\s+"([\w-]+)"/ ? "$1 $2" : () } @failures, @others],
        'problems');

    same([first_column($types)], [$answer =~ /\btype = "([\w-]+)"/g],
        'types of the gate');
};


# The first column, of which a cell may name several.
sub names_in ($text, $heading) {
    return grep { /^\w+$/ } first_column(section($text, $heading));
}

# What is in back quotes in the row of a name.
sub values_of ($text, $name) {
    my ($row) = $text =~ /^\| `\Q$name\E` \| (.*)$/m;
    return ($row // '') =~ /`([^`]+)`/g;
}


subtest 'what is stored' => sub {
    my $data  = slurp('docs/data.md');
    my $event = slurp('src/core/cg_event.c');
    my @fields = between(slurp('src/core/cg_record.c'),
        qr/cg_field_names\[\w*\] = \{/, qr/\n\};/) =~ /cg_str\("(\w+)"\)/g;

    same([names_in($data, '## Records: `gc:s:{0a3}<22 characters>`')],
        \@fields, 'fields of a record');

    my $text = section($data, '## Events: `gc:a:{0a3}`');
    my ($body) = $text =~ /^The body:\n(.*)/ms;
    my @members = ($event =~ /cg_str\("(\w+)"\)/g,
        map { /\\"(\w+)\\":/g } $event =~ /^.*cg_out_str\(.*$/mg);

    same([first_column($body)],
        [grep { !/^(?:name|version|sha256|link)$/ } @members],
        'members of an event');

    for (['what', 'event', 'link'], ['method', 'method', 'merge']) {
        my ($member, $table, @besides) = @$_;
        my @real = between($event, qr/cg_${table}_names\[CG_\w+\] = \{/,
            qr/\n\};/) =~ /"(\w+)"/g;
        my %besides = map { $_ => 1 } @besides, 'consentctl';

        same([grep { !$besides{$_} } values_of($body, $member)],
            [grep { !$besides{$_} } @real], $member);
    }
};


subtest 'cookies' => sub {
    my $source = join '', map { slurp(s{^\Q$top\E/}{}r) }
        glob "$top/src/http/*.[ch]";
    my @real = $source =~ /_suffix  "(-\w+)"/g;

    cmp_ok scalar @real, '>', 3, 'there are some';

    for (['docs/directives.md', '## Cookies'], ['docs/data.md', '## Cookies']) {
        my ($file, $heading) = @$_;
        my @documented = section(slurp($file), $heading)
            =~ /^\| the same[^|]* `(-\w+)`/mg;

        same([grep { $_ ne '-test' } @documented], \@real, $file);
    }
};


subtest 'log messages exist' => sub {
    my $source = join '', map { slurp(s{^\Q$top\E/}{}r) }
        glob "$top/src/*/*.c";

    # as the compiler joins them
    $source =~ s/"\s*\n\s*"//g;
    $source =~ s/\\"/"/g;

    for my $message (first_column(section($doc, '## Log messages'))) {
        my @parts = grep { length } map { s/^ +| +$//gr }
            split /ADDRESS|\.\.\./, $message;
        my $pattern = join '.{0,40}?', map { quotemeta } @parts;

        ok($source =~ /$pattern/s, $message);
    }
};


subtest 'log messages are documented' => sub {
    my @known = map { my $known = $_; join '.*?', map { quotemeta }
            grep { length } split / *(?:ADDRESS|\.\.\.) */, $known }
        grep { $_ ne 'consent store ADDRESS: ...' } map { /^\| (`.*?) \|/ ? $1 =~ /`([^`]+)`/g : () }
        split /\n/, section($doc, '## Log messages');
    my $n = 0;

    for my $path (glob "$top/src/{http,store,cache,geo}/*.c") {
        my $source = slurp($path =~ s{^\Q$top\E/}{}r) =~ s/"\s*\n\s*"//gr;

        while ($source =~ /ngx_(?:conf_)?log_error\([^"]*?"((?:[^"\\]|\\.)*)"/g)
        {
            my $message = $1 =~ s/\\"/"/gr;

            # All of it is told elsewhere.
            next if $message =~ /^(?:consent gate|"%V"|consent \w+(?: %V)?): %[sV](?:; the last, .*)?$/;

            ++$n;
            ok((grep { $message =~ /$_/ } @known), $message);
        }
    }

    cmp_ok $n, '>', 60, 'there are some';
};


subtest 'files that are named' => sub {
    for my $file ('README.md', map { s{^\Q$top\E/}{}r } glob "$top/docs/*.md") {
        my %named = map { $_ => 1 } slurp($file)
            =~ m{`((?:src|conf|docs|t|man)/[\w./-]*\w\.\w+)`}g;

        ok(-e "$top/$_", "$file: $_") for sort keys %named;
    }
};


subtest 'commands that are named' => sub {
    my @real = slurp('src/ctl/ctl_table.c') =~ /^    \{ "([a-z][a-z ]*)", "/mg;

    for my $file (qw(docs/gdpr.md docs/apps.md)) {
        my %named = map { $_ => 1 }
            slurp($file) =~ /`consentctl ([a-z]+(?: [a-z]+)?)/g;

        for my $command (sort keys %named) {
            ok((grep { $_ eq $command } @real), "$file: $command");
        }
    }
};


subtest 'links' => sub {
    my @files = ('README.md', map { s{^\Q$top\E/}{}r } glob "$top/docs/*.md");

    for my $file (@files) {
        my $text = slurp($file);
        my ($dir) = $file =~ m{^(.*/)};

        for my $link ($text =~ /\]\(([^)\s]+)\)/g) {
            next if $link =~ /^https?:/;

            my ($path, $anchor) = $link =~ /^([^#]*)(?:#(.*))?$/;
            my $target = $path eq '' ? $file : ($dir // '') . $path;

            $target =~ s{[^/]+/\.\./}{};

            ok(-e "$top/$target", "$file: $link") or next;
            next if !defined $anchor;

            my %anchors = map { lc(s/[^\w -]//gr =~ s/ /-/gr) => 1 }
                slurp($target) =~ /^#+ (.*)$/mg;

            ok($anchors{$anchor}, "$file: $link: the heading");
        }
    }
};


done_testing();
