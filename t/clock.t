use v5.36;

# Gates whose clocks go wrong: a form is good until its time by the clock of
# whoever takes it, and nothing that was erased comes back by a slow one.

use lib 't/lib';
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Test;

my ($FAKE) = grep { -e } glob '/usr/lib/*/faketime/libfaketime.so.1';

plan skip_all => 'no libfaketime' if !$FAKE;
plan skip_all => 'the sanitizers must be loaded first'
    if ($ENV{CG_NGINX} // '') =~ /asan/;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);

my $redis = $t->redis;
my $site = flow_site(http => 'consent_purpose analytics;',
    server => 'consent_subject $http_x_test_account;');

# Seconds by which the clock of each gate is fast.
my %FAST = (right => 0, nearly => 7190, late => 7201, slow => -1800,
    behind => -550, year => 366 * 86400);

for my $name ('right', grep { $_ ne 'right' } sort keys %FAST) {
    local $ENV{LD_PRELOAD} = $FAKE;
    local $ENV{FAKETIME} = sprintf '%+d', $FAST{$name};
    local $ENV{DONT_FAKE_MONOTONIC} = 1;
    my $port = port_name($name);
    $t->nginx($site =~ s/%%PORT%%/%%PORT$port%%/r, name => $name);
}

# Whether it has started is seen by the first one's port.
sub port_name ($gate) { return $gate eq 'right' ? '' : "_$gate" }
sub port_of ($gate) { return $t->port($gate eq 'right' ? '' : $gate) }

sub at ($gate, $account) {
    return $t->browser('DE', port => port_of($gate),
        headers => ['X-Test-Account' => $account]);
}

sub record_of ($name) {
    return $redis->hash(key_of(account => $name)->{record});
}

my $START = time;


subtest 'a form of two hours' => sub {
    my $page = show(at(right => 'anna'));
    is answer(at(late => 'anna'), page => $page)->status, 403,
        'is expired by a clock that is two hours fast';
    is_deeply [$redis->keys('gc:s:*')], [], 'and nothing is written';
    is answer(at(nearly => 'anna'), page => $page)->status, 303,
        'and good ten seconds before';
    $page = show(at(right => 'bert'));
    is answer(at(slow => 'bert'), page => $page)->status, 303,
        'and by a clock that is slow';
    is answer(at(right => 'bert'), page => $page)->status, 303,
        'the same form again is the same success, at another gate';
    my ($event) = events($redis, key_of(account => 'bert')->{events});
    is scalar(grep { $_->{subject} eq $event->{subject} } events($redis)), 1,
        'and one event';
};


subtest 'the other forms' => sub {
    my $carl = at(right => 'carl');
    answer($carl);
    my $page = show($carl);
    for my $what (qw(withdraw purposes residence erase)) {
        is answer(at(late => 'carl'), what => $what, document => [],
            residence => 'FR', page => $page)->status, 403,
            "$what: expired, too";
    }
    ok exists record_of('carl')->{'d.terms'}, 'the record stands';
};


subtest 'the time of an event' => sub {
    for my $gate (sort keys %FAST) {
        answer(at($gate => "time_$gate"));
        my $of = key_of(account => "time_$gate");
        my ($event) = grep { $_->{subject} eq $of->{name} }
            events($redis, $of->{events});
        my $off = $event->{time} / 1000 - $START - $FAST{$gate};
        ok $off > -2 && $off < 60, "is that of the gate: $gate";
    }
};


subtest 'events of gates that disagree' => sub {
    answer(at(year => 'dora'));
    answer(at(slow => 'dora'), what => 'purposes', document => [],
        purpose => 'analytics');
    answer(at(right => 'dora'), what => 'withdraw', document => []);

    my $export = at(right => 'dora')->get('/consent/export')->json;
    is_deeply [map { $_->{event}{what} } @{ $export->{events} }],
        [qw(withdraw purposes accept)], 'stand in the order in which they came';
    is $export->{complete}, JSON::PP::true, 'and each names the one before';
    my @time = map { $_->{event}{time} } @{ $export->{events} };
    ok $time[2] > $time[1], 'whatever their clocks said';
};


subtest 'what is erased' => sub {
    my $emil = at(behind => 'emil');
    my $old = show($emil);
    answer($emil, page => $old);
    answer(at(right => 'emil'), what => 'erase', document => []);

    my $ttl = $redis->cmd('TTL', key_of(account => 'emil')->{record});
    my $good = 7200 - $FAST{behind};
    ok $ttl >= $good, "leaves a tombstone for $ttl s, longer than a form of a"
        . ' slow gate is good';
    is answer($emil, page => $old)->status, 409, 'and nothing comes back';
    is answer(at(slow => 'emil'), page => $old)->status, 409, 'by any gate';
};


subtest 'a receipt' => sub {
    my $fred = at(right => 'fred');
    $fred->jar;
    answer($fred);
    $redis->stop;
    $t->allow_log(qr/connect\(\) failed/);
    my $reason = sub ($gate) {
        my $r = $t->browser('DE', port => port_of($gate), jar => $fred->jar,
            headers => ['X-Test-Account' => 'fred'])->get('/');
        return $r->header('Consent-Gate') =~ /reason=(\w+)/ ? $1 : '';
    };
    is $reason->('right'), 'receipt', 'counts';
    is $reason->('slow'), 'receipt', 'by a slow clock';
    is $reason->('year'), 'store_down', 'and not for ever';
};

$t->done;
