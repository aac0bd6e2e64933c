use v5.36;

# consentctl link: one, and many at a time.

use lib 't/lib';
use JSON::PP ();
use Test::More;
use ConsentGate::Ctl;
use ConsentGate::Flow;
use ConsentGate::Link;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->key_file;
my $redis = $t->redis;
my $ctl = ConsentGate::Ctl->new($t);
my $URL = 'https://example.com/consent/link';

sub fails ($run, $code, $message, $name) {
    subtest $name => sub {
        is $run->code, $code, 'exit code';
        like $run->err, qr/^consentctl: $message$/m, 'and why';
    };
    return;
}

# The token of a link.
sub token_of ($link) { return $link =~ /[?&]t=([\w.-]+)$/ ? $1 : '' }


subtest 'one' => sub {
    my $run = $ctl->run(qw(link --subject anna --url), $URL);

    is $run->code, 0, 'works';
    is $run->err, '', 'in silence';
    like $run->out, qr/\A\Q$URL\E\?t=k1\.[\w-]+\n\z/, 'one line, the link';

    my $link = link_parse(token_of($run->out));
    ok $link->{good}, 'signed with the first key';
    is $link->{name}, key_of(account => 'anna')->{name}, 'for the account';
    is $link->{kind}, 2, 'which it is';
    is $link->{realm}, 'default', 'of the realm';
    is $link->{rev}, 0, 'without a record so far';
    cmp_ok abs($link->{expires} - time - 30 * 86400), '<', 60,
        'good for thirty days';

    my $again = link_parse(token_of(
        $ctl->run(qw(link --subject anna --url), $URL)->out));
    isnt $again->{nonce}, $link->{nonce}, 'each is another one';
};

subtest 'its words' => sub {
    my $bare = $ctl->run(qw(link --subject anna))->out;
    like $bare, qr/\Ak1\.[\w-]+\n\z/, 'without --url the token alone';

    like $ctl->run(qw(link --subject anna --url https://a.example/l?x=1))->out,
        qr{\Ahttps://a\.example/l\?x=1&t=k1\.}, 'behind other arguments';

    my $link = link_parse(token_of($ctl->run(qw(link --subject a --realm shop
        --expires 12h --url), $URL)->out));
    is $link->{realm}, 'shop', '--realm';
    is $link->{name}, key_of(account => 'a', realm => 'shop')->{name},
        'whose subjects are others';
    cmp_ok abs($link->{expires} - time - 43200), '<', 60, '--expires';

    my $data = $ctl->json(qw(link --subject), '4"2', '--url', $URL)->data;
    is $data->{subject}, '4"2', '--json tells the subject';
    ok link_parse(token_of($data->{link}))->{good}, 'the link';
    like $data->{expires}, qr/^\d{4}-\d\d-\d\dT[\d:]{8}Z$/, 'and until when';

    fails $ctl->run(qw(link --subject anna --expires), $_), 2,
        qq{--expires: "$_" is not .*}, "--expires $_"
        for qw(91d 0 soon), 7776001;
    is $ctl->run(qw(link --subject anna --expires 90d))->code, 0, '90d is fine';
    fails $ctl->run(qw(link --subject anna --url), $_), 2,
        qr/--url: ".*" is not .*/, "--url $_"
        for '/consent/link', 'https://a b', 'https://a/#b', 'javascript:x';
    fails $ctl->run(qw(link anna)), 2, 'link takes options only: "anna" is none',
        'an argument';
    fails $ctl->run(qw(link --subject), ''), 2, 'an empty account is nobody',
        'nobody';
    fails $ctl->run(qw(link --subject a --format csv)), 2, '--format .*',
        'a format for one';
};

subtest 'it knows the record' => sub {
    my $anna = key_of(account => 'anna');
    $redis->cmd('HSET', $anna->{record}, rev => 7, k => $anna->{check});
    is link_parse($ctl->run(qw(link --subject anna))->out =~ s/\n//r)->{rev},
        7, 'how often it was written';

    my $keys = $t->write_file('keys2', join('', map { "$_\n" }
        'subject ' . '00112233445566778899aabbccddeeff' x 2,
        'subject-previous ' . '0123456789abcdef' x 4,
        'sign k2 ' . '8899aabbccddeeff' x 4), 0600);
    my $other = ConsentGate::Ctl->new($t, config => 'c2', keys => $keys);
    my $link = link_parse($other->run(qw(link --subject anna))->out
        =~ s/\n//r, pack 'H*', '8899aabbccddeeff' x 4);
    ok $link->{good}, 'with other keys';
    is $link->{rev}, 7, 'under the previous key, too';
};

subtest 'many' => sub {
    my $lines = $ctl->run(qw(link --url), $URL,
        \qq{anna\n\nbert\r\nc,d\n"e"\n});
    is $lines->code, 0, 'a line each';
    my ($head, @rows) = split /\n/, $lines->out;
    is $head, 'subject,link,expires', 'CSV';
    is_deeply [map { s/,https.*//r } @rows],
        ['anna', 'bert', '"c,d"', '"""e"""'], 'each named';
    is link_parse($rows[2] =~ /t=([^,]+)/ ? $1 : '')->{name},
        key_of(account => 'c,d')->{name}, 'and meant';
    is $lines->err, "4 links\n", 'and counted';

    my $csv = $ctl->run(qw(link --format csv --column id --url), $URL,
        \"name,id\n\"A, B\",42\nC,43\n");
    is_deeply [map { /^(\d+),/ ? $1 : () } split /\n/, $csv->out], [42, 43],
        'a column of CSV';

    my $jsonl = $ctl->run(qw(link --format jsonl --url), $URL,
        \qq{"anna"\n{"subject":"bert","mail":"x"}\n42\n});
    my @data = $jsonl->lines;
    is_deeply [map { $_->{subject} } @data], ['anna', 'bert', '42'],
        'JSON Lines';
    is link_parse(token_of($data[2]{link}))->{name},
        key_of(account => '42')->{name}, 'a number is a name';

    my $bad = $ctl->run(qw(link --format jsonl), \qq{"anna"\nbert\n"carl"\n});
    is $bad->code, 3, 'a mistake in the list';
    like $bad->err, qr/line 2 of the list: not JSON/, 'is named';

    is $ctl->run('link', \'')->out, "subject,link,expires\n", 'nobody';
    is $ctl->run(qw(link --quiet), \"a\n")->err, '', '--quiet';
};

subtest 'very many' => sub {
    my $n = $ENV{CG_SOAK} ? 200_000 : 20_000;
    my $run = $ctl->run(qw(link --url), $URL,
        \join '', map { "user$_\n" } 1 .. $n);

    is $run->code, 0, "$n of them";
    my (undef, @rows) = split /\n/, $run->out;
    is scalar @rows, $n, 'a link each';
    my %seen;
    $seen{ token_of(s/,[^,]*$//r) }++ for @rows;
    is scalar keys %seen, $n, 'no two alike';
    like $run->err, qr/^10000 links\n20000 links\n/, 'progress';
};

subtest 'without Redis' => sub {
    $redis->stop;
    is $ctl->run(qw(link --subject anna))->code, 4, 'it says so';
};

$t->done;
