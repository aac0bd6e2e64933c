use v5.36;

# TLS to every node of a cluster, to the sentinels and to the master they name:
# each of them is verified, those that were not configured too.

use lib 't/lib';
use Test::More;
use ConsentGate::Certificates;
use ConsentGate::Flow;
use ConsentGate::Test;

use constant SUBJECTS => 30;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);

my $ca = ConsentGate::Certificates->new(dir => $t->dir . '/tls');

# Servers talk to each other, too, and are clients then.
my @BOTH = (use => 'serverAuth,clientAuth');
my ($cert, $key) = $ca->issue('server', names => ['IP:127.0.0.1'], @BOTH);
my ($named_cert, $named_key) = $ca->issue('named',
    names => ['DNS:redis.test'], @BOTH);

sub tls ($cert, $key) {
    return { cert => $cert, key => $key, ca => $ca->cert };
}

my $TLS = 'tls on; tls_trusted_certificate ' . $ca->cert . ';';

sub start ($name, $consent) {
    local $t->{ports}{''} = $t->port($name);
    return $t->nginx(
        flow_site(server => 'consent_subject $http_x_test_account;')
        =~ s/%%CONSENT%%/$consent/r, name => $name, workers => 2);
}

sub subject ($name, $n) {
    return $t->script('DE', port => $t->port($name),
        headers => ['X-Test-Account' => "subject$n"]);
}

sub reason ($http) {
    return $http->get('/')->header('Consent-Gate') =~ /reason=(\w+)/
        ? $1 : 'none';
}

# Everybody answers, and is known.
sub all_answer ($name) {
    ok wait_for(sub { reason(subject($name, 0)) eq 'missing' }, 10),
        'a lookup is answered';
    is scalar(grep { answer_as_script(subject($name, $_))->status == 200 }
        1 .. SUBJECTS), SUBJECTS, 'all accept';
    is scalar(grep { reason(subject($name, $_)) eq 'accepted' }
        1 .. SUBJECTS), SUBJECTS, 'and all have accepted';
    return;
}

# How a connection of the gate came in: to which ports, and not by others.
sub ports_of ($redis) {
    return map { /laddr=\S*:(\d+)/ ? $1 : () }
        grep { /name=consent-gate/ } split /\n/, $redis->cmd('CLIENT', 'LIST');
}

sub complaints ($nginx) {
    return grep { /\[(?:warn|error)\].* consent/ } split /\n/,
        slurp($nginx->{log});
}


subtest 'a cluster' => sub {
    my $cluster = $t->cluster(masters => 3, tls => tls($cert, $key));
    my $nginx = start('cluster',
        $cluster->consent($TLS, ($cluster->nodes)[0]));

    all_answer('cluster');

    for my $node ($cluster->masters) {
        my @ports = ports_of($node);
        cmp_ok scalar @ports, '>', 1, 'a node has connections';
        is_deeply [grep { $_ != $node->public_port } @ports], [],
            'all of them TLS';
    }
    is_deeply [complaints($nginx)], [], 'the log is quiet';
    $nginx->stop;

    my $stranger = start('stranger', $cluster->consent("$TLS tls_server_name"
        . ' redis.test;', ($cluster->nodes)[0]));
    is reason(subject('stranger', 1)), 'store_down', 'another name';
    ok $t->wait_for_log(qr/its certificate is not for "redis\.test"/,
        nginx => $stranger), 'is not talked to';
    $stranger->stop;
};


subtest 'a Sentinel group' => sub {
    my $group = $t->sentinel(replicas => 1, sentinels => 3,
        tls => tls($named_cert, $named_key));
    my $nginx = start('sentinel',
        $group->consent("$TLS tls_server_name redis.test;"));

    all_answer('sentinel');

    is_deeply [grep { $_ != $group->master->public_port }
        ports_of($group->master)], [], 'the master is asked by TLS';
    is_deeply [complaints($nginx)], [], 'the log is quiet';

    my $old = $group->master;
    $group->failover;
    ok wait_for(sub { $group->master != $old }, 20), 'another master';
    ok wait_for(sub { grep { $_ == $group->master->public_port }
        ports_of($group->master) }, 20), 'is found and verified';
    ok wait_for(sub { reason(subject('sentinel', 1)) eq 'accepted' }, 20),
        'and answers';

    $nginx->stop;
};

$t->done;
