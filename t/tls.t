use v5.36;

# TLS to a real redis-server: lookups, writes and the feed go through it,
# sessions are resumed, our certificate is shown where it is asked for, and
# nothing is left open by reloads.

use lib 't/lib';
use IO::Select;
use IO::Socket::INET;
use Socket qw(IPPROTO_TCP SO_RCVBUF SOL_SOCKET TCP_MAXSEG);
use Test::More;
use ConsentGate::Certificates;
use ConsentGate::Flow;
use ConsentGate::Process qw(spawn stop);
use ConsentGate::Record qw(put_record);
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);

my $ca = ConsentGate::Certificates->new(dir => $t->dir . '/tls');
my ($cert, $key) = $ca->issue('server', names => ['DNS:localhost',
    'DNS:redis.test', 'IP:127.0.0.1']);
my ($our_cert, $our_key) = $ca->issue('gate', use => 'clientAuth');

my $redis = $t->redis(tls => { port => $t->port('tls'), cert => $cert,
    key => $key, ca => $ca->cert });

# The store of the tests, with TLS and some settings.
sub store ($server, @settings) {
    my $settings = join ' ', map { "$_;" } "server $server", 'tls on',
        @settings;

    return ConsentGate::Test::consent_block()
        =~ s/server\s+%%REDIS%%;/$settings/r;
}

sub site ($server, @settings) {
    my $store = store($server, @settings);
    return flow_site(server => 'consent_subject $http_x_test_account;')
        =~ s/%%CONSENT%%/$store/r;
}

my $SERVER = 'localhost:%%PORT_tls%%';
my @TRUST  = ('tls_trusted_certificate ' . $ca->cert);

sub decision ($http, $uri = '/') {
    return $http->get($uri)->header('Consent-Gate') =~ /reason=(\w+)/ ? $1 : '';
}

sub lines ($pattern) { return () = $t->log =~ /$pattern/g }

sub clients {
    return grep { /name=consent-gate/ } split /\n/,
        $redis->cmd('CLIENT', 'LIST');
}

{
    local $ENV{CG_DEBUG} = 1;
    $t->nginx(site($SERVER, @TRUST), workers => 2);
}


subtest 'lookups, writes and the feed' => sub {
    my $browser = $t->browser('DE');

    is $browser->get('/')->status, 302, 'a visitor is asked';
    is answer($browser)->status, 303, 'and answers';
    is decision($browser), 'accepted', 'which is known then';
    is scalar(events($redis)), 1, 'there is an event';

    ok $t->wait_for_log(qr/consent feed.*: up/), 'the feed is up';
    $t->publish(terms => { version => 9, required => 9 });
    ok wait_for(sub { decision($browser) eq 'outdated' }, 2),
        'a change of policies is heard';

    ok !grep({ $_ !~ m{addr=127\.0\.0\.1:} } clients()),
        'none of it by the socket';
};


subtest 'sessions' => sub {
    my $reused = lines(qr/SSL reused session/);

    $redis->cmd('CLIENT', 'KILL', 'TYPE', 'normal');
    ok wait_for(sub { lines(qr/SSL reused session/) > $reused }),
        'are resumed when a connection is lost';
    ok wait_for(sub { decision($t->browser('DE')) eq 'missing' }),
        'on which questions are answered';
};


# A relay of which a sender notices soon that nobody reads: small segments and
# buffers.
sub relay ($from, $to) {
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        LocalPort => $from, Listen => 8, ReuseAddr => 1) or die "relay: $!\n";
    setsockopt $listen, SOL_SOCKET, SO_RCVBUF, 4096;
    setsockopt $listen, IPPROTO_TCP, TCP_MAXSEG, 536;

    return spawn($t->dir . '/relay.log', sub {
        my $select = IO::Select->new($listen);
        my %other;

        while (my @ready = $select->can_read) {
            for my $socket (@ready) {
                if ($socket == $listen) {
                    my $in  = $listen->accept or next;
                    my $out = IO::Socket::INET->new("127.0.0.1:$to") or next;
                    @other{$in, $out} = ($out, $in);
                    $select->add($in, $out);
                } elsif (!sysread $socket, my $bytes, 4096) {
                    my $out = $other{$socket};
                    $select->remove($socket, $out);
                    close $_ for $socket, $out;
                } else {
                    syswrite $other{$socket}, $bytes;
                }
            }
        }
    });
}

subtest 'many questions to a server that is slow to read' => sub {
    my %accounts = map { ("account$_" => $_ % 2) } 1 .. 400;
    put_record($redis, $_, { map { ("d.$_" => 9) }
        $accounts{$_} ? qw(terms privacy cookies) : 'terms' })
        for keys %accounts;

    my $relay = relay($t->port('relay'), $t->port('tls'));

    # long questions
    my $more = join "\n", map { "consent_document a_document_of_many_$_"
        . ' kind=accept version=1;' } 1 .. 12;

    local $ENV{CG_DEBUG} = 1;
    local $t->{ports}{''} = $t->port('slow');
    my $nginx = $t->nginx(site('127.0.0.1:%%PORT_relay%%', @TRUST)
        =~ s/(?=^\s+server \{)/$more\n/mr
        =~ s/timeout +2s/timeout 20s/gr
        =~ s/(?=consent_gate on)/consent_require terms privacy cookies; /r,
        name => 'slow');
    my $http = $t->script('DE', port => $t->port('slow'));

    ok wait_for(sub { decision($http) eq 'missing' }), 'it works';
    kill 'STOP', $relay;

    my %client;
    for my $name (keys %accounts) {
        my $http = $t->browser('DE', port => $t->port('slow'));
        $http->send_raw($http->format_request('GET', '/',
            ['X-Test-Account' => $name]));
        $client{$name} = $http;
    }
    ok $t->wait_for_log(qr/SSL_write: -1/, nginx => $nginx),
        'there was no room for some of it';
    kill 'CONT', $relay;

    my @wrong = grep {
        my $r = $client{$_}->read_response;
        my $reason = $r->header('Consent-Gate') =~ /reason=(\w+)/ ? $1 : '';
        $reason ne ($accounts{$_} ? 'accepted' : 'missing')
    } sort keys %accounts;
    is_deeply \@wrong, [], 'each has an answer of its own';

    $nginx->stop;
    stop($relay);
};


# A server that shows what it gets. It ends when its input does.
sub s_server ($log, @arguments) {
    return spawn($log, sub {
        local $^F = 255;
        pipe my $in, my $out or die "pipe: $!\n";
        open STDIN, '<&', $in or die "stdin: $!\n";
        exec qw(openssl s_server -Verify 1 -verify_quiet), @arguments;
    });
}

subtest 'a stranger learns nothing' => sub {
    my $nobody = ConsentGate::Certificates->new(dir => $t->dir . '/tls',
        name => 'nobody');
    my %servers = (
        trusted  => [$ca->issue('here', names => ['IP:127.0.0.1'])],
        stranger => [$nobody->issue('there', names => ['IP:127.0.0.1'])],
    );

    for my $name (sort keys %servers) {
        my $log = $t->dir . "/$name.log";
        my $port = $t->port($name);
        my $pid = s_server($log, '-accept', $port, '-cert',
            $servers{$name}[0], '-key', $servers{$name}[1]);
        ok wait_for(sub { slurp($log) =~ /ACCEPT/ }), 'a server';

        local $t->{ports}{''} = $t->port("http$name");
        my $nginx = $t->nginx(site("127.0.0.1:$port", @TRUST,
            "tls_certificate $our_cert", "tls_certificate_key $our_key"),
            name => $name);
        my $seen = sub { slurp($log) =~ /AUTH|gate-secret|CN ?= ?gate/ };

        if ($name eq 'trusted') {
            ok wait_for($seen), 'who is trusted is told';
        } else {
            ok $t->wait_for_log(qr/certificate is not trusted/,
                nginx => $nginx), 'who is not is told nothing';
            ok !$seen->(), 'neither password nor certificate';
        }

        $nginx->stop;
        stop($pid);
    }
};


subtest 'a name as DNS has it' => sub {
    local $t->{ports}{''} = $t->port('dot');
    my $nginx = $t->nginx(site('127.0.0.1:%%PORT_tls%%', @TRUST,
        'tls_server_name redis.test.'), name => 'dot');
    my $http = $t->script('DE', port => $t->port('dot'));

    ok wait_for(sub { decision($http) ne 'store_down' }), 'an answer'
        or diag slurp($nginx->{log});
    $nginx->stop;
};


subtest 'reloads' => sub {
    my $from = $t->log_size;

    for (1 .. 3) {
        ok $t->reload, 'a reload';
        ok wait_for(sub { decision($t->browser('DE')) eq 'missing' }),
            'and an answer';
    }

    ok wait_for(sub { clients() == 3 }), 'the old connections are gone'
        or diag join "\n", clients();
    unlike substr($t->log, $from), qr/\[(?:error|crit|alert)\]/,
        'without a complaint';
};


# The versions, and our certificate.

sub another ($name, $settings, %config) {
    my $redis = $t->redis(tls => { port => $t->port("tls$name"),
        cert => $cert, key => $key, ca => $ca->cert,
        auth => delete $config{auth} }, config => \%config);

    local $ENV{CG_DEBUG} = 1;
    local $t->{ports}{''} = $t->port("http$name");
    my $nginx = $t->nginx(site("127.0.0.1:" . $t->port("tls$name"), @TRUST,
        @$settings), name => "nginx$name");

    return ($redis, $nginx, $t->script('DE', port => $t->port("http$name"),
        headers => ['X-Test-Account' => 'anna']));
}

for my $version ('TLSv1.2', 'TLSv1.3') {
    subtest "$version, and a certificate of ours" => sub {
        my ($redis, $nginx, $http) = another($version =~ s/\W//gr,
            ["tls_certificate $our_cert", "tls_certificate_key $our_key"],
            'tls-protocols' => qq{"$version"}, auth => 'yes');

        ok wait_for(sub { decision($http) eq 'missing' }), 'an answer'
            or diag slurp($nginx->{log});
        put_record($redis, 'anna',
            { map { ("d.$_" => 1) } qw(terms privacy cookies) });
        is decision($http), 'accepted', 'from the server';
        like slurp($nginx->{log}), qr/SSL: \Q$version\E, cipher/, 'by it';
        $redis->cmd('CLIENT', 'KILL', 'TYPE', 'normal');
        ok wait_for(sub { decision($http) eq 'accepted' }), 'and another';
        ok $t->wait_for_log(qr/SSL reused session/, nginx => $nginx),
            'by the same session';
        $nginx->stop;
    };
}

subtest 'the name is one of ours' => sub {
    local $t->{ports}{''} = $t->port('named');
    my $nginx = $t->nginx(site('127.0.0.1:%%PORT_tls%%', @TRUST,
        'tls_server_name redis.test'), name => 'named');
    my $http = $t->script('DE', port => $t->port('named'));

    ok wait_for(sub { decision($http) eq 'missing' }), 'an answer'
        or diag slurp($nginx->{log});
    $nginx->stop;
};

$t->done;
