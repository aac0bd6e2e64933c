use v5.36;

# Redis by name, through nginx's resolver and a real DNS server: the name is
# looked up at each connection, all its addresses are tried, and what goes
# wrong is a failed attempt.

use lib 't/lib';
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time);
use ConsentGate::Certificates;
use ConsentGate::Dns;
use ConsentGate::Flow;
use ConsentGate::Record qw(put_record);
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');

my $dns = ConsentGate::Dns->new(test => $t);

sub hosts (@lines) { return $dns->hosts(@lines) }

# Redis on an address, the port is the same for all.
sub redis_at ($address) {
    return $t->redis(port => $t->port('redis'), config => { bind => $address });
}

sub site ($name, $server, @settings) {
    my $store = join ' ', map { "$_;" } "server $server", @settings;
    my $consent = ConsentGate::Test::consent_block()
        =~ s/server\s+%%REDIS%%;/$store/r;

    local $t->{ports}{''} = $t->port($name);
    my $nginx = $t->nginx(flow_site(
        http   => 'resolver 127.0.0.1:%%PORT_dns%% valid=1s;',
        server => 'consent_subject $http_x_test_account;')
        =~ s/%%CONSENT%%/$consent/r, name => "nginx-$name");

    return ($nginx, $t->script('DE', port => $t->port($name),
        headers => ['X-Test-Account' => 'anna']));
}

sub reason ($http) {
    return $http->get('/')->header('Consent-Gate') =~ /reason=(\w+)/
        ? $1 : 'none';
}

sub complaints ($nginx) {
    return grep { /\[(?:warn|error)\].* consent store/ } split /\n/,
        slurp($nginx->{log});
}

# Whose answer it is: each Redis says another thing about anna.
sub is_accepted ($redis) {
    put_record($redis, 'anna', { map { ("d.$_" => 1) }
        qw(terms privacy cookies) });
    return;
}

my $one = redis_at('127.0.0.1');
my $two = redis_at('127.0.0.2');
my $six = redis_at('::1');
is_accepted($two);

my $PORT = $t->port('redis');


subtest 'a name that moves' => sub {
    hosts('127.0.0.1 redis.test');
    my ($nginx, $http) = site('moves', "redis.test:$PORT");

    ok wait_for(sub { reason($http) eq 'missing' }), 'the first one answers';
    is_deeply [complaints($nginx)], [], 'no complaint';

    hosts('127.0.0.2 redis.test');
    is reason($http), 'missing', 'a connection stays while it is good';

    $one->cmd('CLIENT', 'KILL', 'TYPE', 'normal');
    $one->cmd('CLIENT', 'KILL', 'TYPE', 'pubsub');
    ok wait_for(sub {
        my $is = reason($http);
        $one->cmd('CLIENT', 'KILL', 'TYPE', 'normal') if $is eq 'missing';
        $is eq 'accepted';
    }), 'then it is the second one, without a reload';
    ok wait_for(sub { 2 <= grep { /consent-gate/ } split /\n/,
        $two->cmd('CLIENT', 'LIST') }), 'the feed has moved, too';

    $nginx->stop;
};


subtest 'several addresses' => sub {
    # one that does not even refuse: a queue of connections that is full
    my $mute = IO::Socket::INET->new(LocalAddr => '127.0.0.4',
        LocalPort => $PORT, Listen => 1, ReuseAddr => 1) or die "mute: $!\n";
    my @full = map { IO::Socket::INET->new(PeerAddr => '127.0.0.4',
        PeerPort => $PORT, Blocking => 0) } 1 .. 4;

    hosts(map { "$_ redis.test" } '127.0.0.3', '127.0.0.4', '127.0.0.5',
        '127.0.0.2', '::2');
    my ($nginx, $http) = site('several', "redis.test:$PORT");

    for (1 .. 10) {
        ok wait_for(sub { reason($http) eq 'accepted' }),
            'the one that answers is found';
        $two->cmd('CLIENT', 'KILL', 'TYPE', 'normal');
    }
    ok !grep({ /connect\(\)/ } complaints($nginx)), 'without a failure'
        or diag join "\n", complaints($nginx);

    $nginx->stop;
};


subtest 'IPv6' => sub {
    hosts('::1 redis.test');
    my ($nginx, $http) = site('six', "redis.test:$PORT");

    ok wait_for(sub { reason($http) eq 'missing' }), 'is answered';
    ok scalar(grep { /addr=\[::1\]/ && /consent-gate/ } split /\n/,
        $six->cmd('CLIENT', 'LIST')), 'over IPv6';
    is_deeply [complaints($nginx)], [], 'no complaint';

    $nginx->stop;
};


subtest 'a name that does not exist' => sub {
    hosts();
    my ($nginx, $http) = site('none', "redis.test:$PORT");

    is reason($http), 'store_down', 'a start without it is a start';
    reason($http) for 1 .. 30;
    my @lines = grep { /could not be resolved/ } complaints($nginx);
    is scalar @lines, 1, 'one line' or diag @lines;
    like $lines[0], qr/\[error\] .*consent\ store\ redis\.test:\d+:
        \ "redis\.test"\ could\ not\ be\ resolved\ \(Host\ not\ found\):
        \ check\ "server"\ in\ "consent_store"/x, 'which says what to do';

    hosts('127.0.0.2 redis.test');
    ok wait_for(sub { reason($http) eq 'accepted' }), 'then it exists';

    hosts();
    ok wait_for(sub {   # the resolver keeps an answer for a while: "valid"
        $two->cmd('CLIENT', 'KILL', 'TYPE', 'normal');
        reason($http) eq 'store_down';
    }, 10), 'and it is gone again';

    hosts('127.0.0.2 redis.test');
    ok wait_for(sub { reason($http) eq 'accepted' }), 'and is back';
    is scalar($nginx->children), 1, 'by the same worker';
    unlike slurp($nginx->{log}), qr/exited on signal/, 'that has not stopped';

    $nginx->stop;
};


subtest 'a DNS server that does not answer' => sub {
    hosts('127.0.0.2 redis.test');
    kill 'STOP', $dns->pid;
    my ($nginx, $http) = site('silent', "redis.test:$PORT");

    my $began = time;
    is reason($http), 'store_down', 'nobody is kept waiting for long';
    cmp_ok time - $began, '<', 3, 'the time is that of the connection';
    ok wait_for(sub { grep { /could not be resolved/ } complaints($nginx) }),
        'a line';
    ok $t->reload(undef, nginx => $nginx), 'a reload meanwhile';
    kill 'CONT', $dns->pid;
    ok wait_for(sub { reason($http) eq 'accepted' }, 10),
        'it answers, and Redis does';

    $nginx->stop;
};


subtest 'no DNS server at all' => sub {
    local $t->{ports}{dns} = $t->port('closed');
    my ($nginx, $http) = site('nodns', "redis.test:$PORT");

    is reason($http), 'store_down', 'a failed attempt';
    ok $nginx->running, 'nginx runs';

    $nginx->stop;
};


subtest 'with TLS' => sub {
    my $ca = ConsentGate::Certificates->new(dir => $t->dir . '/tls');
    my ($cert, $key) = $ca->issue('secure.test');
    my $redis = $t->redis(tls => { port => $t->port('tls'), cert => $cert,
        key => $key, ca => $ca->cert });
    is_accepted($redis);

    hosts('127.0.0.1 secure.test');
    my ($nginx, $http) = site('secure', 'secure.test:' . $t->port('tls'),
        'tls on', 'tls_trusted_certificate ' . $ca->cert);

    ok wait_for(sub { reason($http) eq 'accepted' }),
        'the name that is verified is the one that was resolved';
    $nginx->stop;
};


$dns->stop;
$t->done;
