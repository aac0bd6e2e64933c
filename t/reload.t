use v5.36;

# Reloads under load lose nothing; and whatever Redis does, nginx ends.

use lib 't/lib';
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time);
use ConsentGate::Flow;
use ConsentGate::Test;

use constant RELOADS => 20;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');

my $SITE  = flow_site(server => 'consent_subject $http_x_test_account;');
my @ANNA  = ('X-Test-Account' => 'anna');
my $nginx = $t->nginx($SITE, workers => 2);
my $redis = $t->redis;

is answer_as_script($t->script('DE', headers => \@ANNA))->status, 200,
    'somebody has accepted';


subtest 'under load' => sub {
    my ($reloads, $n, %old, %got) = (0, 0);

    # another one as soon as the workers of the last one are there
    my $reload = sub {
        my @now = $nginx->children;
        return if @now < 2 || grep { $old{$_} } @now;

        %old = map { $_ => 1 } @now;
        $nginx->signal('HUP');
        $reloads++;
    };

    my $end = time + 60;

    $t->script('DE')->concurrent(16, sub {
        $reload->() if ++$n % 10 == 0;
        return if $reloads > RELOADS || time > $end;
        return ['GET', '/', [Connection => 'close',
            'X-Test-Account' => $n % 2 ? 'anna' : 'bert']];
    }, sub ($r, $request) {
        $got{ "$request->[2][3] " . ($r ? $r->status : 'nothing') }++;
    });

    cmp_ok $reloads, '>', RELOADS, RELOADS . ' reloads';
    is_deeply [sort keys %got], ['anna 200', 'bert 403'],
        'each request has its answer';
    cmp_ok $got{'anna 200'}, '>', 5 * RELOADS, 'there were many';
    ok wait_for(sub { !$nginx->children('worker process is shutting down') }),
        'the old workers have ended';
    unlike $t->log, qr/open socket/, 'no socket was left open';
};

subtest 'while a lookup waits' => sub {
    my $http = $t->script('DE', headers => \@ANNA);
    $http->connect;
    $redis->freeze;
    $http->send_raw($http->format_request('GET', '/'));
    $nginx->signal('HUP');
    ok wait_for(sub { $nginx->children('worker process is shutting down') }),
        'an old worker is still there';
    $redis->thaw;
    is $http->read_response->status, 200, 'the request has its answer';
    $http->close;
    ok wait_for(sub { !$nginx->children('worker process is shutting down') }),
        'then the worker ends';
};


# Another nginx with a store of its own; ends it after $during.
sub quits ($name, $server, $signal, $during) {
    my $consent = ConsentGate::Test::consent_block()
        =~ s/%%REDIS%%/$server/r;
    my $other = $t->nginx($SITE =~ s/%%CONSENT%%/$consent/r
        =~ s/%%PORT%%/%%PORT_$name%%/r);
    my $http = $t->script('DE', headers => \@ANNA, port => $t->port($name));

    $during->($http, $other);

    my $began = time;
    ok $other->stop($signal), "$name: ends after $signal";
    cmp_ok time - $began, '<', 5, "$name: soon";

    return $http;
}

my $down = '127.0.0.1:' . $t->port('nobody');
my $mute = $t->fake(ROLE => {}, PING => {}, CLIENT => {}, '*' => {})->address;

# Its queue is full: nobody else gets through to it, or a refusal.
my $full = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1,
    LocalPort => $t->port('full'));
my @queue = map { scalar IO::Socket::INET->new(PeerAddr => '127.0.0.1',
    PeerPort => $t->port('full'), Blocking => 0) } 1 .. 4;

for my $signal (qw(QUIT TERM)) {
    my $lc = lc $signal;

    quits("idle$lc", $redis->address, $signal, sub ($http, $) {
        is $http->get('/')->status, 200, 'a request';
        $http->close;
    });

    quits("down$lc", $down, $signal, sub ($http, $) {
        like $http->get('/')->header('Consent-Gate'), qr/store_down/,
            'Redis is down';
        $http->close;
    });

    quits("mute$lc", $mute, $signal, sub ($http, $other) {
        $http->send_raw($http->format_request('GET', '/'));
        ok $t->{fakes}[0]->wait_for_command('ROLE'), 'in the handshake';
    });

    quits("connecting$lc", '127.0.0.1:' . $t->port('full'), $signal,
        sub ($http, $other) {
            $http->send_raw($http->format_request('GET', '/'));
        });
}

my $http = quits('waiting', $redis->address, 'QUIT', sub ($http, $other) {
    is $http->get('/')->status, 200, 'a request';
    $redis->freeze;
    $http->send_raw($http->format_request('GET', '/'));
});
$redis->thaw;
my $r = $http->read_response;
ok $r, 'who waited for Redis when nginx was to end has an answer';
like $r->header('Consent-Gate'), qr/record=failed/, 'without a record';

unlike slurp($_->{log}), qr/open socket|left in connection/,
    "$_->{name}: no socket was left open" for @{ $t->{nginx} };

$t->done;
