use v5.36;

# What keeps the gate from its Redis is told once, in one line, with what to do
# about it. The servers are real ones.

use lib 't/lib';
use Test::More;
use ConsentGate::Certificates;
use ConsentGate::Flow;
use ConsentGate::Process qw(alive spawn stop);
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->write_file('wrong.pass', "not-the-password\n", 0600);

my $ca     = ConsentGate::Certificates->new(dir => $t->dir . '/tls');
my $nobody = ConsentGate::Certificates->new(dir => $t->dir . '/tls',
    name => 'nobody');

sub tls_redis ($name, $cert, $key, %options) {
    return $t->redis(tls => { port => $t->port($name), cert => $cert,
        key => $key, ca => $ca->cert, %options },
        port => delete $options{plain} // 0);
}

my $plain = $t->redis(port => $t->port('plain'));
my $tls   = tls_redis('tls', $ca->issue('redis.test',
    names => ['DNS:redis.test', 'IP:127.0.0.2']));
my $old   = tls_redis('old', $ca->issue('expired', names => ['IP:127.0.0.1'],
    days => -1));
my $asks  = tls_redis('asks', $ca->issue('asks', names => ['IP:127.0.0.1']),
    auth => 'yes');

my ($strange, $strange_key) = $nobody->issue('stranger', use => 'clientAuth');

my $replica = $t->redis(port => $t->port('replica'),
    config => { replicaof => '127.0.0.1 ' . $t->port('plain') });
my $node    = $t->redis(port => $t->port('node'),
    config => { 'cluster-enabled' => 'yes',
        'cluster-port' => $t->port('bus'), 'cluster-config-file' =>
        $t->dir . '/nodes.conf' });
my $locked  = $t->redis(port => $t->port('locked'), password => 'secret',
    config => { requirepass => 'secret' });
my $silent  = $t->redis(port => $t->port('silent'));

my $sentinel = sentinel();

sub sentinel () {
    my $conf = $t->write_file('sentinel.conf', "bind 127.0.0.1\n"
        . 'port ' . $t->port('sentinel') . "\ndir " . $t->dir . "\n");
    my $log = $t->dir . '/sentinel.log';
    my $pid = spawn($log, 'redis-server', $conf, '--sentinel');

    wait_for(sub { slurp($log) =~ /monotonic|Sentinel ID/ && IO::Socket::INET
        ->new('127.0.0.1:' . $t->port('sentinel')) })
        or die 'sentinel: ' . slurp($log);

    return $pid;
}

# Another nginx, as what is no Redis.
my $web = do {
    local $t->{ports}{''} = $t->port('web');
    $t->nginx("server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT_https%% ssl;
        ssl_certificate @{[($ca->issue('web', names => ['IP:127.0.0.1']))[0]]};
        ssl_certificate_key " . $t->dir . "/tls/web.key;
    }", name => 'web');
};

$silent->freeze;

sub at ($name) { return '127.0.0.1:' . $t->port($name) }

my @TLS = ('tls on', 'tls_trusted_certificate ' . $ca->cert);
my @AS  = ('username gate', 'password_file %%PASSWORD%%');

# Name, what is in consent_store, and the line.
my @CASES = (
    ['a wrong password', ['server ' . at('plain'), 'username gate',
        'password_file %%DIR%%/wrong.pass'],
        qr/"WRONGPASS .*": check "username" and "password_file" in/],
    ['a user that does not exist', ['server ' . at('plain'), 'username guest',
        'password_file %%PASSWORD%%'],
        qr/"WRONGPASS .*": check "username" and "password_file" in/],
    ['no password where there must be one', ['server ' . at('locked')],
        qr/"NOAUTH .*": set "password_file" in "consent_store"/],
    ['a replica', ['server ' . at('replica'), @AS],
        qr/not a master but "slave": "server" in .* must be the master/],
    ['a node of a cluster', ['server ' . at('node'), @AS],
        qr/is a node of a cluster: set "topology cluster" in/],
    ['a Sentinel', ['server ' . at('sentinel')],
        qr/is a Sentinel: set "topology sentinel NAME" in/],
    ['no cluster', ['topology cluster', 'server ' . at('plain'), @AS],
        qr/is a single server: check "server" and "topology" in/],
    ['a Sentinel instead of a cluster', ['topology cluster',
        'server ' . at('sentinel')],
        qr/is a Sentinel: set "topology sentinel NAME" in/],
    ['no Sentinel', ['topology sentinel shop', 'server ' . at('plain')],
        qr/is a single server: check "server" and "topology" in/],
    ['a Sentinel that does not know the name', ['topology sentinel shop',
        'server ' . at('sentinel')], qr/it has no master "shop": check "topology" in/],
    ['a Sentinel with TLS and without', ['topology sentinel shop',
        'server ' . at('sentinel'), @TLS],
        qr/no answer to the TLS handshake in time/],
    ['TLS of another name, in a cluster', ['topology cluster',
        'server ' . at('tls'), @TLS],
        qr/its certificate is not for "127\.0\.0\.1": set "tls_server_name"/],

    ['a certificate of another name', ['server ' . at('tls'),
        'tls_server_name another.test', @TLS],
        qr/its certificate is not for "another\.test": set "tls_server_name"/],
    ['and of another address', ['server ' . at('tls'), @TLS],
        qr/its certificate is not for "127\.0\.0\.1": set "tls_server_name"/],
    ['a part of a name', ['server ' . at('tls'), 'tls_server_name test', @TLS],
        qr/its certificate is not for "test"/],
    ['a certificate of an unknown authority', ['server '
        . at('tls'), 'tls on', 'tls_trusted_certificate '
        . $nobody->cert, 'tls_server_name redis.test'],
        qr/is not trusted \(.*certificate.*\): set "tls_trusted_certificate"/],
    ['what the system does not know', ['server ' . at('tls'), 'tls on',
        'tls_server_name redis.test'],
        qr/is not trusted \(.*certificate.*\): set "tls_trusted_certificate"/],
    ['one that has expired', ['server ' . at('old'), @TLS],
        qr/its certificate is not valid \(certificate has expired\): renew it/],
    ['none of ours where there must be one', ['server ' . at('asks'), @TLS],
        qr/TLS handshake failed \(.*alert.*\): .*set "tls_certificate"/],
    ['one of ours that is not trusted', ['server ' . at('asks'), @TLS,
        "tls_certificate $strange", "tls_certificate_key $strange_key"],
        qr/TLS handshake failed \(.*unknown ca\): it does not trust the CA/],
    ['TLS to a port without', ['server ' . at('plain'), @TLS],
        qr/no answer to the TLS handshake in time: .* its port has no TLS/],
    ['TLS to a web server without', ['server ' . at('web'), @TLS],
        qr/TLS handshake failed \(wrong version number\): this port does not/],
    ['no TLS to a port with', ['server ' . at('tls')],
        qr/closed during the handshake.*: if this is a TLS port, set "tls on"/],

    ['a web server', ['server ' . at('web')],
        qr/this is not Redis, it answers in HTTP: check "server" in/],
    ['a web server with TLS', ['server ' . at('https'), @TLS],
        qr/this is not Redis, it answers in HTTP: check "server" in/],
    ['no TLS to a web server with TLS', ['server ' . at('https')],
        qr/this is not Redis, it answers in HTTP: check "server" in/],

    ['nobody', ['server ' . at('nobody')], qr/connect\(\) failed \(111: /],
    ['silence', ['server ' . at('silent')],
        qr/no answer to the handshake in time/],
    ['silence instead of TLS', ['server ' . at('silent'), @TLS],
        qr/no answer to the TLS handshake in time/],
);

sub start ($name, @settings) {
    my $store = join ' ', map { "$_;" } @settings;
    my $consent = ConsentGate::Test::consent_block()
        =~ s/consent_store \{.*?\n    \}/consent_store {
            $store timeout 300ms; connect_timeout 300ms; }/sr;

    local $t->{ports}{''} = $t->port($name);
    my $nginx = $t->nginx(flow_site(
        server => 'consent_subject $http_x_test_account;')
        =~ s/%%CONSENT%%/$consent/r, name => $name);

    return ($nginx, $t->script('DE', port => $t->port($name),
        headers => ['X-Test-Account' => 'anna']));
}

my $n = 0;

for my $case (@CASES) {
    my ($what, $settings, $line) = @$case;

    subtest $what => sub {
        my ($nginx, $http) = start('case' . ++$n, @$settings);

        ok $t->wait_for_log(qr/\[error\]/, nginx => $nginx), 'a line';
        $http->get('/') for 1 .. 20;
        is $http->get('/')->body, 'home', 'the site is served';

        my @lines = grep { /\[error\]/ } split /\n/, slurp($nginx->{log});
        is scalar @lines, 1, 'one line' or diag join "\n", @lines;
        like $lines[0], qr/ consent store.*: .*?$line/, 'this one';
        unlike slurp($nginx->{log}), qr/not-the-password|gate-secret/,
            'and no password';

        $nginx->stop;
    };
}

$silent->thaw;
stop($sentinel);
$t->done;
