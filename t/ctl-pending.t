use v5.36;

# Who has not accepted what is in force: of a list, in each format, and of all
# subjects; on one Redis and on a cluster, while a slot is on its way.

use lib 't/lib';
use Test::More;
use ConsentGate::Ctl;
use ConsentGate::Flow;
use ConsentGate::Test;

use constant SUBJECTS => 40;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);
$t->key_file;

sub site ($consent) {
    return flow_site(server => 'consent_subject $http_x_test_account;')
        =~ s/%%CONSENT%%/$consent/r;
}

sub person ($name) {
    return $t->script('DE', headers => ['X-Test-Account' => $name]);
}

my @all      = map { "user$_" } 1 .. SUBJECTS;
my @accepted = @all[0 .. 9];
my @part     = @all[10 .. 12];
my @declined = @all[13 .. 14];
my @open     = @all[10 .. $#all];


# The same on each kind of Redis. `store` does what ConsentGate::Redis does.
sub mailing ($store, $ctl) {
    $store->cmd('HSET', 'gc:p', terms => 'version=2 required=2',
        privacy => 'version=1');
    wait_for(sub {
        $t->script('DE')->get('/consent/state')->json->{documents}[0]{version} == 2;
    });

    answer_as_script(person($_)) for @accepted;
    answer($t->browser('DE', headers => ['X-Test-Account' => $_]),
        query => 'need=privacy') for @part;
    answer_as_script(person($_), what => 'decline', documents => ['terms'])
        for @declined;

    my $lines = join '', map { "$_\n" } @all;
    my $run = $ctl->run('pending', \$lines);
    is $run->code, 0, 'a list' or diag($run->err);
    is $run->out, join('', map { "$_\n" } @open), 'in its order';
    like $run->err, qr/^30 of 40 subjects have not accepted what is in force; 2\d of them have no record$/m,
        'and a summary';

    my @json = $ctl->json('pending', \$lines)->lines;
    is_deeply [map { $_->{subject} } @json], \@open, 'JSON Lines';
    is $json[0]{pseudonym}, key_of(account => $open[0])->{name}, 'pseudonyms';
    my %missing = map { $_->{subject} => join ',', @{ $_->{missing} } } @json;
    is $missing{ $declined[0] }, $missing{ $all[-1] }, 'declined is missing';
    like $missing{ $all[-1] }, qr/terms/, 'terms';

    my $sum = $ctl->json(qw(pending --summary), \$lines)->data;
    is $sum->{documents}{terms}{declined}, @declined, 'who has declined';
    is $sum->{pending}, @open, 'how many';

    my $scan = $ctl->json(qw(pending --scan))->data;
    is $scan->{subjects}, grep({ /:s:/ } $store->keys('gc:s:*')),
        'all who have a record are counted';
    is $scan->{pending}, $scan->{subjects} - @accepted, 'and who is pending';
    is $scan->{documents}{terms}{declined}, @declined, 'and has declined';

    my $stats = $ctl->json('stats')->data;
    is $stats->{records}, $scan->{subjects}, 'stats: records';
    is $stats->{events}, @accepted + @part + @declined, 'stats: events';
    is_deeply $stats->{documents}{terms}, { version => 2,
        current => scalar @accepted, older => 0,
        declined => scalar @declined }, 'stats: a document';
    like $ctl->run('stats')->out,
        qr/^  terms +10 have version 2, 0 an older one, 2 have declined$/m,
        'stats: as text';

    my @names = split /\n/, $ctl->run(qw(pending --scan --pseudonyms))->out;
    my %is = map { $_ => 1 } @names;
    is @names, $scan->{pending}, 'their pseudonyms';
    ok $is{ key_of(account => $declined[0])->{name} }, 'of who has declined';
    ok !$is{ key_of(account => $accepted[0])->{name} }, 'not of the others';

    my @lines = $ctl->json(qw(pending --scan --pseudonyms))->lines;
    is join(' ', sort map { $_->{pseudonym} } @lines), join(' ', sort @names),
        'in JSON';

    return;
}


subtest 'one Redis' => sub {
    my $redis = $t->redis;
    my $nginx = $t->nginx(site(ConsentGate::Test::consent_block()));
    my $ctl = ConsentGate::Ctl->new($t);

    is $ctl->run('pending', \"x\n")->code, 5, 'nothing is published';
    mailing($redis, $ctl);

    subtest 'formats' => sub {
        my $csv = "mail,id\na\@x,$accepted[0]\n\"b,\"\"\@x\",\"$open[0]\"\n";
        my $run = $ctl->run(qw(pending --format csv --column id), \$csv);
        is $run->out, "$open[0]\n", 'CSV';
        is $ctl->run(qw(pending --format csv), \"$open[0],x\r\n$accepted[0]\n")
            ->out, "$open[0]\n", 'CSV without names';

        my $jsonl = qq({"subject":"$open[0]"}\n"$accepted[0]"\n{"subject":7}\n);
        is $ctl->run(qw(pending --format jsonl), \$jsonl)->out,
            "$open[0]\n7\n", 'JSON Lines';
        is $ctl->run(qw(pending --format jsonl --column uid),
            \qq({"uid":"$open[0]"}\n))->out, "$open[0]\n", 'of another name';
        my $mark = "\xef\xbb\xbf";
        is $ctl->run('pending', \"$mark$open[0]\r\n")->out, "$open[0]\n",
            'as some save it';
        is $ctl->run(qw(pending --format csv --column id),
            \"${mark}id\r\n$open[0]\r\n")->out, "$open[0]\n", 'a table, too';
        is $ctl->run('pending', \$open[0])->out, "$open[0]\n",
            'a last line without an end';
        is $ctl->run('pending', \"\n$open[0]\n\n")->out, "$open[0]\n",
            'empty lines are none';
        is $ctl->run('pending', \'')->out, '', 'an empty list';
    };

    subtest 'mistakes' => sub {
        for (
            [3, 'line 2 of the list: a quote is not closed', "a\n\"b\n",
                qw(--format csv)],
            [3, 'the list has no column "id"', "a,b\n",
                qw(--format csv --column id)],
            [3, 'line 2 of the list: the column is missing', "a,id\nb\n",
                qw(--format csv --column id)],
            [3, 'line 1 of the list: not JSON', "{\n", qw(--format jsonl)],
            [3, 'line 1 of the list: has no string or number as the id',
                "{}\n", qw(--format jsonl)],
            [3, 'line 1 of the list: too long', 'x' x 70_000],
            [3, 'line 2 of the list: the id has a NUL in it', "\na\0b\n"],
            [3, 'line 1 of the list: the id has a NUL in it', '"a\\u0000b"',
                qw(--format jsonl)],
            [2, '--document names none', '', '--document', ''],
            [2, '--require: "" is not DOCUMENT=VERSION', '', '--require', ''],
            [2, '--format: "xml" is not lines, csv or jsonl', '',
                qw(--format xml)],
            [2, '--column needs --format csv or jsonl', '', qw(--column x)],
            [2, '--scan reads no list', '', qw(--scan --format csv)],
            [2, '--pseudonyms needs --scan', '', qw(--pseudonyms)],
            [2, '--require: "x" is not DOCUMENT=VERSION', '',
                '--require', 'terms=1,x'],
            [5, 'no document "x" is published', '', '--document', 'terms,x'],
        ) {
            my ($code, $message, $list, @options) = @$_;
            my $run = $ctl->run('pending', @options, \$list);

            is $run->code, $code, "$message: exit code";
            is $run->err, "consentctl: $message\n", 'and why';
        }
    };

    subtest 'what is asked for' => sub {
        my $lines = join '', map { "$_\n" } @all;

        is $ctl->json(qw(pending --summary --document privacy), \$lines)
            ->data->{pending}, SUBJECTS - @accepted - @part,
            'one document';
        my $sum = $ctl->json(qw(pending --summary --require), 'extra=3,terms=9',
            \$lines)->data;
        is $sum->{documents}{extra}{missing}, SUBJECTS, 'one not published';
        is $sum->{documents}{terms}{missing}, @open,
            'what is published counts';

        $redis->cmd(qw(HSET gc:p terms), 'version=3 required=3 before=2 '
            . 'effective=' . (time + 1000));
        is $ctl->json(qw(pending --summary --document terms), \$lines)
            ->data->{pending}, @open, 'what is only announced does not';
        $redis->cmd(qw(HSET gc:p terms), 'nonsense');
        is $ctl->run('pending', \$lines)->code, 6, 'what is malformed stops';
        $redis->cmd(qw(HSET gc:p terms), 'version=2');
    };

    subtest 'records' => sub {
        my $record = key_of(account => $accepted[0])->{record};
        my $check = $redis->hash($record)->{k};
        my $ask = sub {
            $ctl->run('pending', \"$accepted[0]\n")->out;
        };

        $redis->cmd('HSET', $record, k => 'ffffffff');
        is $ask->(), "$accepted[0]\n", 'of somebody else';
        $redis->cmd('HSET', $record, k => $check, 'd.terms' => 'x');
        is $ask->(), "$accepted[0]\n", 'that cannot be read';
        is $ctl->json(qw(pending --scan))->data->{unreadable}, 1, 'counted';
        $redis->cmd('HSET', $record, 'd.terms' => 2);
        is $ask->(), '', 'that can';

        my $rotated = $t->write_file('rotated', join("\n",
            'subject ' . 'ab' x 32,
            'subject-previous ' . '0123456789abcdef' x 4,
            'sign k1 ' . 'fedcba9876543210' x 4, ''), 0600);
        is $ctl->run('pending', '--key-file', $rotated, \"$accepted[0]\n")
            ->out, '', 'under the key before';
        is $ctl->run('pending', '--realm', 'other', \"$accepted[0]\n")->out,
            "$accepted[0]\n", 'of another realm';

        my $of = key_of(account => 'string')->{record};
        $redis->cmd('SET', $of, 'x');
        my $sum = $ctl->json(qw(pending --summary), \"string\n")->data;
        is_deeply [@$sum{qw(pending absent unreadable)}], [1, 0, 1],
            'that is none';
        like $ctl->run(qw(pending --summary), \"string\n")->out,
            qr/^1 of them have a record that cannot be read$/m, 'as text';
        is $ctl->run(qw(pending --quiet), \"string\n")->err, '', 'quietly';
        $redis->cmd('DEL', $of);

        $redis->cmd(qw(SET gc:s:{000}string x));
        is $ctl->run(qw(pending --scan))->code, 0, 'a string is no record';
        $redis->cmd(qw(DEL gc:s:{000}string));
    };

    subtest 'slowly' => sub {
        my $start = time;
        my $run = $ctl->run(qw(pending --scan --rate 10));
        cmp_ok time - $start, '>=', 1, 'as slow as --rate says';
        like $run->err, qr/^\d+ subjects$/m, 'with progress'
            if $run->err ne '';
    };

    ok $nginx->stop, 'nginx stops';
    $redis->stop;
};


subtest 'a cluster' => sub {
    my $cluster = $t->cluster(masters => 3);
    my $ledger = $t->dir . '/checkpoints';
    my ($first) = $cluster->nodes;

    $t->nginx(site($cluster->consent));

    my $ctl = ConsentGate::Ctl->new($t, config => 'cluster.conf',
        redis => '127.0.0.1:' . $first->port,
        lines => ['topology cluster', "checkpoints $ledger"]);

    mailing($cluster, $ctl);

    my $run = $ctl->run(qw(policy publish terms --version 3 --dry-run));
    like $run->out, qr/^  10 pass now and will be asked again$/m,
        'policy publish counts all';
    is $ctl->run(qw(policy publish privacy --version 3 --minor --yes))->code,
        0, 'and writes where the hash is';
    like $cluster->cmd(qw(HGET gc:p privacy)), qr/^version=3 required=1/,
        'indeed';

    is $ctl->json('verify')->data->{events}, @accepted + @part + @declined,
        'verify reads all';
    cmp_ok $ctl->json('checkpoint')->data->{signed}, '>', 1, 'checkpoint';
    is $ctl->json(qw(events export --all --output), $t->dir . '/e.jsonl')
        ->data->{events}, @accepted + @part + @declined, 'export';

    subtest 'while a slot is on its way' => sub {
        my $record = key_of(account => $accepted[0])->{record};
        my $slot = $cluster->slot($record);
        my $from = $cluster->owner($slot);
        my ($to) = grep { $_ != $from } $cluster->masters;
        my $lines = join '', map { "$_\n" } @all;

        $cluster->begin_move($slot, $to);
        $cluster->move_keys($slot, $from, $to);
        is $ctl->run('pending', \$lines)->out, join('', map { "$_\n" } @open),
            'ASK is followed';
        $cluster->end_move($slot, $from, $to);
        is $ctl->run('pending', \$lines)->out, join('', map { "$_\n" } @open),
            'and the new map';
        is $ctl->json('verify')->code, 0, 'verify, too';
    };

    $run = $ctl->run(qw(pending --scan --topology single));
    is $run->code, 2, 'one node alone';
    like $run->err, qr/is a node of a cluster: set topology to cluster$/,
        'does not count for all';
};

$t->done;
