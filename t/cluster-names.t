use v5.36;

# Nodes of a cluster as they announce themselves: by no address at all, by one
# that is not to be known, by a host.

use lib 't/lib';
use Test::More;
use ConsentGate::Dns;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);

# A site of its own on a port of its own.
sub site ($name, $consent, %options) {
    local $t->{ports}{''} = $t->port($name);

    my $nginx = $t->nginx(
        flow_site(http => $options{http} // '',
            server => 'consent_subject $http_x_test_account;
                location = /status { consent_status json; }')
        =~ s/%%CONSENT%%/$consent/r, name => "nginx-$name");

    return ($nginx, sub ($account) {
        $t->script('DE', port => $t->port($name),
            headers => ['X-Test-Account' => $account])
    });
}

sub reason ($http) {
    return $http->get('/')->header('Consent-Gate') =~ /reason=(\w+)/
        ? $1 : 'none';
}

# Subjects of all nodes ask and answer, and a change is heard.
sub works ($cluster, $who) {
    my @names = map { "subject$_" } 1 .. 30;

    wait_for(sub { reason($who->('subject1')) eq 'missing' });
    is scalar(grep { reason($who->($_)) eq 'missing' } @names), @names,
        'all are asked';
    is scalar(grep { answer_as_script($who->($_))->status == 200 } @names),
        @names, 'all answer';
    is scalar(grep { reason($who->($_)) eq 'accepted' } @names), @names,
        'and have answered';

    return;
}

sub nodes ($who) {
    return map { $_->{address} }
        @{ $who->('x')->get('/status')->json->{nodes} };
}


subtest 'a node that does not know its address' => sub {
    my $cluster = $t->cluster(masters => 1);
    my ($node) = $cluster->nodes;

    is $node->cmd('CLUSTER', 'SLOTS')->[0][2][0], '', 'tells none';
    my ($nginx, $who) = site('empty', $cluster->consent);
    works($cluster, $who);
    is_deeply [nodes($who)], ['127.0.0.1:' . $node->port],
        'it is the one that was asked';
};


subtest 'addresses that are not to be known' => sub {
    my $cluster = $t->cluster(masters => 2, name => 'unknown', config => {
        'cluster-preferred-endpoint-type' => 'unknown-endpoint' });

    is(($cluster->nodes)[0]->cmd('CLUSTER', 'SLOTS')->[1][2][0], undef,
        'nothing is told');
    my ($nginx, $who) = site('unknown', $cluster->consent);
    works($cluster, $who);
};


my $dns = ConsentGate::Dns->new(test => $t);
my $RESOLVER = 'resolver 127.0.0.1:%%PORT_dns%% valid=1s;';

subtest 'hosts' => sub {
    $dns->hosts('127.0.0.1 one.test', '127.0.0.1 two.test');

    my $cluster = $t->cluster(masters => 2, name => 'hosts', config => {
        'cluster-preferred-endpoint-type' => 'hostname' });
    my @nodes = $cluster->nodes;
    my ($first, $second) = @nodes;

    # told by none of them: the address beside it
    my ($nginx, $who) = site('nameless', $cluster->consent);
    works($cluster, $who);
    is_deeply [sort(nodes($who))],
        [sort map { '127.0.0.1:' . $_->port } @nodes],
        'a node without a name has an address';
    $nginx->stop;

    $first->cmd('CONFIG', 'SET', 'cluster-announce-hostname', 'one.test');
    $second->cmd('CONFIG', 'SET', 'cluster-announce-hostname', 'two.test');
    ok wait_for(sub {
        2 == grep {
            join(' ', sort map { $_->[2][0] // '' }
                @{ $_->cmd('CLUSTER', 'SLOTS') }) eq 'one.test two.test';
        } @nodes;
    }, 10), 'now they have one';

    ($nginx, $who) = site('hosts', $cluster->consent, http => $RESOLVER);
    ok wait_for(sub { reason($who->('subject1')) eq 'accepted' }),
        'and are found by it';
    is scalar(grep { reason($who->("subject$_")) eq 'accepted' } 1 .. 30),
        30, 'all of them';
    is_deeply [sort(nodes($who))],
        ['one.test:' . $first->port, 'two.test:' . $second->port],
        'by name';

    # a slot that has moved: MOVED has a host
    my $slot = $cluster->slot(key_of(account => 'subject1')->{record});
    my ($to) = grep { $_ != $cluster->owner($slot) } @nodes;
    $cluster->move($slot, $to);
    is reason($who->('subject1')), 'accepted', 'a slot that moves';

    ($nginx, $who) = site('blind', $cluster->consent);
    is reason($who->('subject1')), 'store_down', 'without a resolver';
    like slurp($nginx->{log}),
        qr/\[error\].*one\.test:\d+: a host, and no "resolver"/,
        'the log says what to do';
};


$dns->stop;
$t->done;
