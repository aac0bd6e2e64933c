use v5.36;

# Clients that leave while their lookup or their answer is in flight: nobody
# else notices.

use lib 't/lib';
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_LINGER);
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Test;

use constant { ROUNDS => 5, CLIENTS => 60 };

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);
$t->nginx(flow_site(server => 'consent_subject $http_x_test_account;'));

my $redis = $t->redis;
my $nginx = $t->{nginx}[0];
# a worker takes its title shortly after it serves
my ($worker) = @{ wait_for(sub { my @w = $nginx->children; @w && \@w }) };
my $anna = $t->script('DE', headers => ['X-Test-Account' => 'anna']);
my $name = 'gone0';

# Connections of clients (their local ports are ours) that nginx still has.
sub open_sockets () {
    return scalar grep { (readlink // '') =~ /^socket:/ }
        glob "/proc/$worker/fd/*";
}

# A request that was sent, on a socket of its own.
sub ask ($method, $uri, $headers = [], $body = undef) {
    my $http = $t->script('DE', headers => ['X-Test-Account' => ++$name]);
    $http->send_raw($http->format_request($method, $uri, $headers, $body));
    return $http->{socket};
}

# Resets instead of FIN for every other one.
sub leave (@sockets) {
    for my $i (0 .. $#sockets) {
        setsockopt $sockets[$i], SOL_SOCKET, SO_LINGER, pack 'll', 1, 0
            if $i % 2;
        close $sockets[$i];
    }

    return;
}

my $r = answer_as_script($anna);
is $r->status, 200, 'somebody has accepted';
my $idle = open_sockets();

subtest 'during a lookup' => sub {
    for my $round (1 .. ROUNDS) {
        $redis->freeze;
        my @sockets = map { ask('GET', '/') } 1 .. CLIENTS;
        ok wait_for(sub { open_sockets() >= $idle + CLIENTS }),
            'they wait for Redis';
        leave(@sockets);
        ok wait_for(sub { open_sockets() <= $idle }), 'they are gone';
        $redis->thaw;

        is $anna->get('/')->status, 200, 'who comes next is served';
    }
    my %status;
    $status{$_}++ for $t->access_log =~ /"GET \/ HTTP\/1\.1" (\d+)/g;
    is $status{499}, ROUNDS * CLIENTS, 'each as one who left';
};

subtest 'and some who stay' => sub {
    $redis->freeze;
    my @stay = map { $anna->clone } 1 .. 20;
    my @gone;
    for my $http (@stay) {
        push @gone, ask('GET', '/');
        $http->send_raw($http->format_request('GET', '/'));
        push @gone, ask('GET', '/consent/state');
    }
    ok wait_for(sub { open_sockets() >= $idle + 60 }), 'wait for Redis';
    leave(@gone);
    ok wait_for(sub { open_sockets() <= $idle + 20 }), 'some leave';
    $redis->thaw;

    my %got;
    $got{ $_->read_response->status }++ for @stay;
    is_deeply \%got, { 200 => 20 }, 'the others get their own answer';
};

# A first write must not need a second command that nobody is there to wait
# for: the script is in Redis before it. Should Redis lose it, the second one
# is sent all the same.
for my $flushed (0, 1) { subtest 'during the write, ' . ($flushed
    ? 'when Redis has lost the script' : 'the first one') => sub {

    if ($flushed) {
        is $redis->cmd('SCRIPT', 'FLUSH', 'SYNC'), 'OK', 'it has lost it';
    } else {
        cmp_ok $redis->calls('script|load'), '>', 0, 'the script is there';
    }

    my $events = events($redis);
    my @forms = map {
        my $http = $t->script('DE',
            headers => ['X-Test-Account' => "writer$flushed-$_"]);
        [$http, $http->get('/consent/state')->json->{token}]
    } 1 .. 30;

    # The lookup is answered; then the write hangs in Redis.
    $redis->cmd('CLIENT', 'PAUSE', 60_000, 'WRITE');
    for my $form (@forms) {
        my ($http, $token) = @$form;
        $http->send_raw($http->format_request('POST', '/consent/accept',
            ['Content-Type' => 'application/json'],
            qq({"token":"$token","documents":["terms","privacy","cookies"]})));
    }
    my $blocked = sub { $redis->cmd('INFO', 'clients')
        =~ /^blocked_clients:([1-9])/m };
    ok wait_for($blocked), 'the first write waits in Redis';
    leave(map { $_->[0]{socket} } @forms);
    ok wait_for(sub { open_sockets() <= $idle }), 'they are gone';
    $redis->cmd('CLIENT', 'UNPAUSE');

    is $anna->get('/')->status, 200, 'who comes next is served';
    ok wait_for(sub { events($redis) > $events }),
        'what was on its way is written';
    ok wait_for(sub {
        my @written = grep { exists $redis->hash($_)->{ev} }
            $redis->keys('gc:s:*');
        my @events = events($redis);
        @written == @events;
    }), 'record and event';

    my ($again, $token) = @{ $forms[0] };
    my $r = answer_as_script($again->clone, state => { token => $token,
        missing => [qw(terms privacy cookies)] });
    is $r->json->{result}, 'repeated', 'and known when it comes again';
} }

subtest 'while the body comes' => sub {
    my @sockets = map { ask('POST', '/consent/accept',
        ['Content-Type' => 'application/json', 'Content-Length' => 1000],
        '{"token"') } 1 .. 20;
    ok wait_for(sub { open_sockets() >= $idle + 20 }), 'they are half way';
    leave(@sockets);
    ok wait_for(sub { open_sockets() <= $idle }), 'they are gone';
    is $anna->get('/')->status, 200, 'who comes next is served';
};

subtest 'the page again, and gone' => sub {
    my @sockets;
    $redis->freeze;
    for (1 .. 20) {
        push @sockets, ask('POST', '/consent/accept',
            ['Content-Type' => 'application/x-www-form-urlencoded'], 'token=x');
    }
    ok wait_for(sub { open_sockets() >= $idle + 20 }), 'they wait for Redis';
    leave(@sockets);
    ok wait_for(sub { open_sockets() <= $idle }), 'they are gone';
    $redis->thaw;
    is $anna->get('/')->status, 200, 'who comes next is served';
};

is_deeply [$nginx->children], [$worker], 'it is the same worker still';
is open_sockets(), $idle, 'with as many sockets as before';
unlike $t->log, qr/consent store.*\[(?:error|warn)\]/, 'and no complaint';

my $sent = $redis->calls('hmget');
$anna->get('/');
is $redis->calls('hmget'), $sent + 1, 'one request is one command';

$t->done;
