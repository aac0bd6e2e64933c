use v5.36;

# What a server says when it is spoken to first: who is not a master, is full,
# still loads, or does not know us, is left alone, and the log says what to do.

use lib 't/lib';
use Test::More;
use ConsentGate::Fake;
use ConsentGate::Flow;
use ConsentGate::Resp;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

my $key    = key_of(account => 'anna');
my %record = (k => $key->{check}, rev => 1, 'd.terms' => 1);
my $mood   = "$t->{dir}/mood";

sub error ($text) { return ConsentGate::Resp::Error->new($text) }

# name => [what the server says instead, what the log says]
my %MOOD = (
    'a replica' => [
        { ROLE => ['slave', 'other', \6379, 'connected', \0] },
        qr/not a master but "slave"/ ],
    'it loads' => [
        { PING => error('LOADING Redis is loading the dataset in memory') },
        qr/"LOADING Redis is loading the dataset in memory"/ ],
    'it has no room' => [
        { '(open)' => { reply => error('ERR max number of clients reached'),
            close => 1 } },
        qr/"ERR max number of clients reached"/ ],
    'it closes' => [
        { '(open)' => { close => 1 } },
        qr/connection closed during the handshake/ ],
    'it closes half way' => [
        { CLIENT => { close => 1 } },
        qr/connection closed during the handshake/ ],
    'it is silent' => [
        { CLIENT => {}, ROLE => {}, PING => {} },
        qr/no answer to the handshake in time/ ],
    'it is no Redis' => [
        { '(open)' => { raw => "220 mail.example.org ESMTP\r\n" } },
        qr/Protocol error/ ],
    'its role is odd' => [
        { ROLE => \1 },
        qr/unexpected reply to ROLE/ ],
);

my %script = map {
    my $what = $_;
    $what => sub (@) {
        my $now = $MOOD{ slurp($mood) };
        return $now->[0]{$what} if $now && exists $now->[0]{$what};
        return {} if $what eq '(open)';
        return ['master', \0, []] if $what eq 'ROLE';
        return $what eq 'PING' ? \'PONG' : \'OK';
    }
} qw((open) CLIENT ROLE PING);

my $fake = $t->fake(
    %script,
    HGETALL => [],
    HMGET   => sub ($, $, @fields) { [@record{@fields}] },
);

sub mood ($what) {
    $t->write_file('mood', $what);
    return;
}

mood('');

$t->page('index.html', 'home');
$t->nginx(flow_site(server => 'consent_subject $http_x_test_account;')
    =~ s{%%CONSENT%%}{
        consent_store {
            server           %%FAKE%%;
            connect_timeout  300ms;
            timeout          300ms;
        }
        consent_key_file %%KEYS%%;
        consent_geoip %%GEO%%;
        consent_document terms kind=accept version=1;
        consent_page /policy-update;
    }r);

my $http = $t->script('DE', headers => ['X-Test-Account' => 'anna']);

sub reason () {
    my ($reason) = $http->get('/')->header('Consent-Gate') =~ /reason=(\w+)/;
    return $reason;
}

sub reason_becomes ($reason) {
    return wait_for(sub { reason() eq $reason });
}

# A new server at the same address, to which nginx must introduce itself.
sub start_over () {
    $fake->stop;
    wait_for(sub { reason() eq 'store_down' });
    $fake->start;
    return;
}

ok reason_becomes('accepted'), 'a master';

for my $what (sort keys %MOOD) {
    my $from = $t->log_size;

    mood($what);
    start_over();
    ok $t->wait_for_log($MOOD{$what}[1], from => $from), "$what: is logged";
    is reason(), 'store_down', "$what: requests do without";
    ok $t->wait_for_log(qr/failures in a row/, from => $from),
        "$what: it is not asked any more";

    mood('');
    ok reason_becomes('accepted'), "$what: until it is well";
}

$t->done;
