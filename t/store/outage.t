use v5.36;

# Redis is not there, goes, hangs and comes back: requests do not wait for it
# for long, the log says so once, and a second after it is back it serves.

use lib 't/lib';
use Test::More;
use Time::HiRes qw(time);
use ConsentGate::Flow;
use ConsentGate::Record qw(put_record);
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

my $redis = $t->redis;
my %all   = map { ("d.$_" => 1) } qw(terms privacy cookies);

$t->page('index.html', 'home');

my $site = flow_site(server => 'consent_subject $http_x_test_account;')
    =~ s{%%CONSENT%%}{
        consent_store {
            server           %%REDIS%%;
            connect_timeout  100ms;
            timeout          100ms;
        }
        consent_key_file %%KEYS%%;
        consent_geoip %%GEO%%;
        consent_document terms kind=accept version=1;
        consent_document privacy kind=acknowledge version=1;
        consent_document cookies kind=acknowledge version=1;
        consent_page /policy-update;
    }r;

$redis->stop('KILL');
$t->nginx($site, workers => 2);

my $http = $t->script('DE', headers => ['X-Test-Account' => 'anna']);

sub reason () {
    my ($reason) = $http->get('/')->header('Consent-Gate') =~ /reason=(\w+)/;
    return $reason;
}

# Seconds until a request is answered with the help of Redis.
sub seconds_until_well () {
    my $start = time;
    return wait_for(sub { reason() eq 'accepted' }, 10) ? time - $start : 99;
}

# Lines about the store, other than notes.
sub complaints ($from) {
    return grep { /consent store/ && /\[(?:warn|error)\]/ }
        split /\n/, substr $t->log, $from;
}

my $from = 0;

sub step ($what, $go, $return) {
    $from = $t->log_size if $t->log =~ /back after/;
    $go->();

    ok wait_for(sub { reason() eq 'store_down' }), "$what: it is noticed";
    ok $t->wait_for_log(qr/failures in a row/, from => $from),
        "$what: and it is not asked any more";

    my $start = time;
    is reason(), 'store_down', "$what: a request" for 1 .. 5;
    cmp_ok time - $start, '<', 1, "$what: does not wait";

    $return->();
    cmp_ok seconds_until_well(), '<', 2.5, "$what: it serves again";
    ok $t->wait_for_log(qr/back after \d+ ms/, from => $from),
        "$what: and it is said";

    my @complaints = complaints($from);
    cmp_ok scalar @complaints, '<=', 5, "$what: in a few lines"
        or diag join "\n", @complaints;
    return @complaints;
}

sub begin () {
    $redis->start;
    put_record($redis, 'anna', \%all);
    return;
}

my @lines = step('not there at the start', sub { }, \&begin);
like $lines[0], qr/unix:\S+: connect\(\) failed \((?:2|111): /,
    'address and reason';

@lines = step('killed', sub { $redis->stop('KILL') }, \&begin);
like $lines[0], qr/connect\(\) failed|connection closed/, 'address and reason';

@lines = step('hangs', sub { $redis->freeze }, sub { $redis->thaw });
like "@lines", qr/no reply for 1000 ms|no reply in time/, 'and why';

subtest 'connections are closed' => sub {
    for (1 .. 3) {
        $redis->cmd('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
        is reason(), 'accepted', 'the next request has a new one';
    }
};

subtest 'a short pause' => sub {
    $from = $t->log_size;
    $redis->freeze;
    is reason(), 'store_down', 'a request that it hits';
    $redis->thaw;
    is reason(), 'accepted', 'and the next one';
    unlike substr($t->log, $from), qr/failures in a row|back after/,
        'which is no outage';
};

$t->done;
