use v5.36;

# A store that says what no Redis should while a copy is made: the copy fails,
# and nothing else does.

use lib 't/lib';
use Test::More;
use ConsentGate::Fake;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

my $EV = 'ab' x 16;
my @GOOD = ('rev', '1', 'ev', $EV);

# What HGETALL and XREVRANGE answer.
my @CASES = (
    ['no array',                 \'OK'],
    ['an odd one',               ['rev']],
    ['arrays in it',             ['rev', ['1']]],
    ['an error',                 ConsentGate::Resp::Error->new('WRONGTYPE x')],
    ['a record cut off',         { raw => "*2\r\n\$3\r\nrev", close => 1 }],
    ['no entries',               [@GOOD], ['x']],
    ['half an entry',            [@GOOD], [['1-1']]],
    ['an entry without fields',  [@GOOD], [['1-1', 'x']]],
    ['odd fields',               [@GOOD], [['1-1', ['b']]]],
    ['numbers',                  [@GOOD], [['1-1', ['b', \5]]]],
    ['arrays for values',        [@GOOD], [['1-1', ['b', ['x']]]]],
    ['an id too many',           [@GOOD], [['1-1', [], '2-2']]],
    ['an error for a page',      [@GOOD],
        ConsentGate::Resp::Error->new('ERR no')],
    ['a page cut off',           [@GOOD], { raw => "*1\r\n*2\r\n",
        close => 1 }],
    ['silence',                  [@GOOD], {}],
);

# One account for each, in buckets of their own.
my (%case, %taken, @accounts);

for my $i (0 .. $#CASES) {
    my $n = 0;
    my $of;
    do { $of = key_of(account => "case$i" . $n++) }
        while $taken{ $of->{events} }++;
    push @accounts, "case$i" . ($n - 1);
    $case{ $of->{record} } = $CASES[$i][1];
    $case{ $of->{events} } = $CASES[$i][2] // [];
}
my $well = key_of(account => 'well');
die 'a bucket is taken' if $taken{ $well->{events} };
$case{ $well->{record} } = [@GOOD];
$case{ $well->{events} } = [['7-0', ['b', qq({"v":1,"id":"$EV","subject":)
    . qq("$well->{name}","prev":""}), 'm', 'x', 'l', 'y']]];

my $by_key = sub (@command) { $case{ $command[1] } // [] };

$t->page('policy-update.html', flow_page);
my $fake = $t->fake(
    HMGET     => [(undef) x 9],
    HGETALL   => $by_key,
    XREVRANGE => $by_key,
);
$t->nginx(ConsentGate::Test::consent_block() =~ s/%%REDIS%%/%%FAKE%%/r
    . flow_site(server => 'consent_subject $http_x_test_account;')
        =~ s/%%CONSENT%%//r);

sub copy_of ($account) {
    return $t->browser('DE', headers => ['X-Test-Account' => $account])
        ->get('/consent/export');
}


for my $i (0 .. $#CASES) {
    my $r = copy_of($accounts[$i]);
    is $r->status, 503, $CASES[$i][0];
    is $r->header('Retry-After'), 5, 'ask again';
    is_deeply $r->json->{missing} // [], [], 'no document is asked for';

    $r = copy_of('well');
    is $r->status, 200, 'the next one is given';
    is scalar @{ $r->json->{events} }, 1, 'whole';
}

is scalar(grep { $_->[1] eq 'XREVRANGE' && $_->[2] eq $well->{events} }
    $fake->seen), scalar @CASES, 'one page each';

$t->done;
