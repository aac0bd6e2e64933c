use v5.36;

# Masters of a cluster give way to their replicas, asked to and killed, under
# load: no answer is another subject's, and none that was recorded is lost.

use lib 't/lib';
use Test::More;
use Time::HiRes qw(time);
use ConsentGate::Flow;
use ConsentGate::Load;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);

my $cluster = $t->cluster(masters => 3, replicas => 1);
my $consent = $cluster->consent(
    'timeout 100ms; write_timeout 1s; write_replicas 1;',
    ($cluster->nodes)[0, 1]);

my $nginx = $t->nginx(load_site($consent), workers => 2);
my $load = ConsentGate::Load->new(test => $t, store => $cluster);

# The masters as nginx sees them.
sub seen_masters () {
    my $status = $t->get('/status')->json;
    return join ' ', sort map { $_->{address} } @{ $status->{nodes} };
}

sub masters () {
    return join ' ', sort map { '127.0.0.1:' . $_->port } $cluster->masters;
}

sub settled () {
    return wait_for(sub {
        my $seen = seen_masters;
        $seen eq masters && (() = $seen =~ /:/g) == 3
            && !grep { $_->{feed} ne 'up' || $_->{breaker} ne 'closed' }
                @{ $t->get('/status')->json->{nodes} };
    }, 15);
}


subtest 'all is well' => sub {
    $load->check($load->during(1, sub { }));
    ok settled, 'three masters, each with its feed';
};


subtest 'a replica is asked to take over' => sub {
    my ($master) = $cluster->masters;
    my ($replica) = $cluster->replicas($master);

    my $seen = $load->during(3,
        sub { $replica->cmd('CLUSTER', 'FAILOVER') });

    is $replica->cmd('ROLE')->[0], 'master', 'it has taken over';
    $load->check($seen);
    cmp_ok $load->window($seen), '<', 5, 'the store was hardly away';
    ok settled, 'nginx knows the new master';
    unlike $t->log, qr/READONLY/, 'nothing was written to a replica';
};


subtest 'a master is killed' => sub {
    my ($master) = $cluster->masters;
    my ($replica) = $cluster->replicas($master);

    my $seen = $load->during(3, sub { $master->stop('KILL') },
        sub { $replica->cmd('ROLE')->[0] ne 'master' });

    is $replica->cmd('ROLE')->[0], 'master', 'its replica has taken over';
    $load->check($seen);
    cmp_ok $load->window($seen), '<', 15, 'the store was away for seconds';
    ok settled, 'nginx knows the new master';

    $master->start;
    $cluster->wait_ok;
    $load->check($load->during(1, sub { }));
    ok settled, 'the old one is a replica, and left alone';
};


subtest 'a master falls silent' => sub {
    my ($master) = grep { $cluster->replicas($_) } $cluster->masters;
    my ($replica) = $cluster->replicas($master);
    local $cluster->{nodes} = [grep { $_ != $master } $cluster->nodes];

    my $seen = $load->during(3, sub { $master->freeze },
        sub { $replica->cmd('ROLE')->[0] ne 'master' });

    is $replica->cmd('ROLE')->[0], 'master', 'its replica has taken over';
    $load->check($seen);
    cmp_ok $seen->{ok}, '>', $seen->{down} / 4, 'others were served';
    cmp_ok $load->window($seen), '<', 15, 'it was away for seconds';

    # what it was sent in the meantime it does now, and then it follows
    $master->thaw;
    $load->check($load->during(2, sub { }));
};


subtest 'the node that nginx was told of is gone' => sub {
    my ($first, $second) = $cluster->nodes;

    for my $node ($first, $second) {
        my ($replica) = $cluster->replicas($node);
        $node->stop('KILL');
        wait_for(sub { $replica->cmd('ROLE')->[0] eq 'master' }, 20)
            if $replica;
    }

    $load->check($load->during(1, sub { }, sub { !settled }));
    ok settled, 'nginx asks those that it knows';
};

$t->done;
