use v5.36;

# A Redis Cluster: every subject is asked of the node that has it, also when it
# has moved, and each node tells of its changes.

use lib 't/lib';
use Test::More;
use Time::HiRes qw(time);
use ConsentGate::Flow;
use ConsentGate::Test;

use constant SUBJECTS => 60;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);

my $cluster = $t->cluster(masters => 3);
my $consent = $cluster->consent('', ($cluster->nodes)[1]);

$t->nginx(flow_site(
    http   => 'consent_cache zone=records:256k;',
    server => 'consent_subject $http_x_test_account;
        location = /status { consent_status json; }
        location = /metrics { consent_status prometheus; }',
) =~ s/%%CONSENT%%/$consent/r, workers => 2);

sub subject ($n) {
    return $t->script('DE', headers => ['X-Test-Account' => "subject$n"]);
}

sub reason ($http) {
    return $http->get('/')->header('Consent-Gate') =~ /reason=(\w+)/
        ? $1 : 'none';
}

# How many of the subjects get each reason.
sub reasons () {
    my %count;
    $count{ reason(subject($_)) }++ for 1 .. SUBJECTS;
    return \%count;
}

sub owner ($n) {
    return $cluster->owner($cluster->slot(key_of(account => "subject$n")
        ->{record}));
}


subtest 'three masters' => sub {
    is_deeply reasons(), { missing => SUBJECTS }, 'nobody has accepted';

    my $accepted = grep { answer_as_script(subject($_))->status == 200 }
        1 .. SUBJECTS;
    is $accepted, SUBJECTS, 'all accept';
    is_deeply reasons(), { accepted => SUBJECTS }, 'and all have accepted';

    is scalar(events($cluster)), SUBJECTS, 'an event each';

    my %kept = map { owner($_)->port => 1 } 1 .. SUBJECTS;
    is scalar(keys %kept), 3, 'on three nodes';

    for my $node ($cluster->masters) {
        cmp_ok scalar(() = $node->keys('gc:s:*')), '>', SUBJECTS / 10,
            'a part of the records on each';
    }

    unlike $t->log, qr/\[(?:warn|error)\].*consent/, 'the log is quiet';
};


subtest 'changes are heard from every node' => sub {
    my %by_node = map { owner($_)->port => $_ } 1 .. SUBJECTS;
    is scalar(keys %by_node), 3, 'a subject of each';

    for my $n (values %by_node) {
        my $key = key_of(account => "subject$n")->{record};
        my @workers = map { subject($n) } 1 .. 4;
        my @took;

        for (1 .. 20) {
            for my $want (qw(declined accepted)) {
                reason($_) for @workers, @workers;
                $cluster->cmd('HSET', $key, 'd.terms',
                    $want eq 'accepted' ? 1 : '-');
                my $began = time;
                wait_for(sub {
                    @workers == grep { reason($_) eq $want } @workers;
                });
                push @took, time - $began;
            }
        }

        @took = sort { $a <=> $b } @took;
        diag sprintf 'a change: %.1f ms, at most %.1f ms',
            1000 * $took[@took / 2], 1000 * $took[-1];
        cmp_ok $took[@took / 2], '<', 0.05, 'within 50 ms';
        cmp_ok $took[-1], '<', 0.5, 'and never much later';
    }

    my $status = $t->get('/status')->json;
    cmp_ok $status->{cache_lookups}{hit}, '>', 0, 'and the cache gives hits';
};


subtest 'a new version' => sub {
    my @took;

    for my $version (2 .. 21) {
        my @workers = map { subject(1) } 1 .. 4;
        $cluster->cmd('HSET', 'gc:p', 'terms', "version=$version required=1");
        my $began = time;
        wait_for(sub {
            @workers == grep {
                $_->get('/consent/state')->json->{documents}[0]{version}
                    == $version;
            } @workers;
        });
        push @took, time - $began;
    }

    @took = sort { $a <=> $b } @took;
    diag sprintf 'a version: %.1f ms, at most %.1f ms',
        1000 * $took[@took / 2], 1000 * $took[-1];
    cmp_ok $took[@took / 2], '<', 0.05, 'is in force within 50 ms';

    $cluster->cmd('HSET', 'gc:p', 'terms', 'version=1 required=1');
};


subtest 'the status tells of each node' => sub {
    my @nodes = sort map { '127.0.0.1:' . $_->port } $cluster->masters;
    my $status = $t->get('/status')->json;

    is $status->{topology}, 'cluster', 'the topology';
    is_deeply [sort map { $_->{address} } @{ $status->{nodes} }], \@nodes,
        'the masters';
    my $slots = 0;
    $slots += $_->{slots} for @{ $status->{nodes} };
    is $slots, 16_384, 'their slots';
    is_deeply [map { "$_->{breaker} $_->{feed} $_->{failures}" }
        @{ $status->{nodes} }], [('closed up 0') x 3], 'and how they are';

    my $text = $t->get('/metrics')->body;
    for my $name (@nodes) {
        like $text, qr/^consent_gate_node_$_\Q{node="$name"}\E \d+$/m,
            "$_ of $name" for qw(breaker_open failures feed_up slots);
    }
};


# A site of its own with some settings of the store.
sub site ($name, $consent) {
    local $t->{ports}{''} = $t->port($name);
    my $nginx = $t->nginx(
        flow_site(server => 'consent_subject $http_x_test_account;')
        =~ s/%%CONSENT%%/$consent/r, name => "nginx-$name");

    return ($nginx, sub ($account) {
        $t->script('DE', port => $t->port($name),
            headers => ['X-Test-Account' => $account])
    });
}


subtest 'a record under the previous key is on another node' => sub {
    my $old_key = pack 'H*', 'fedcba9876543210' x 4;
    my ($account) = grep {
        $cluster->owner($cluster->slot(key_of(account => $_)->{record}))
            != $cluster->owner($cluster->slot(key_of(account => $_,
                key => $old_key)->{record}))
    } map { "old$_" } 1 .. 100;
    my $old = key_of(account => $account, key => $old_key);
    my $new = key_of(account => $account);

    $cluster->cmd('HSET', $old->{record}, k => $old->{check}, rev => 7,
        'd.terms' => 1, 'd.privacy' => 1, other => 'kept');

    my $keys = $t->write_file('rotated', join('', map { "$_\n" }
        'subject ' . '0123456789abcdef' x 4,
        'subject-previous ' . 'fedcba9876543210' x 4,
        'sign k1 ' . 'fedcba9876543210' x 4), 0600);
    my ($nginx, $who) = site('rotated',
        $cluster->consent =~ s/%%KEYS%%/$keys/r);
    my $http = $who->($account);

    my $state = $http->get('/consent/state')->json;
    is_deeply $state->{missing}, ['cookies'], 'it is found';
    is answer_as_script($http, state => $state)->status, 200, 'and moved';
    is reason($http), 'accepted', 'to where it belongs';
    is $cluster->hash($new->{record})->{other}, 'kept', 'as a whole';
    ok wait_for(sub { !%{ $cluster->hash($old->{record}) } }),
        'the old one is gone';
    unlike slurp($nginx->{log}), qr/\[(?:warn|error)\].* consent store/,
        'the log is quiet';
    $nginx->stop;
};


subtest 'each permission of cluster.acl is needed' => sub {
    my ($node) = $cluster->masters;

    $_->cmd('ACL', 'SETUSER', 'gate', '-cluster|slots') for $cluster->nodes;
    my ($nginx, $who) = site('noslots', $cluster->consent);
    is reason($who->('subject1')), 'store_down', 'not without CLUSTER SLOTS';
    like slurp($nginx->{log}), qr/\[error\].*grant it: .* \+cluster\|slots/,
        'the log says what to grant';
    $_->cmd('ACL', 'SETUSER', 'gate', '+cluster|slots') for $cluster->nodes;
    ok wait_for(sub { reason($who->('subject1')) ne 'store_down' }),
        'and it is got over';

    # a slot that is on its way: its keys are at the new node, for who ASKs
    my $slot = $cluster->slot(key_of(account => 'subject1')->{record});
    my ($to) = grep { $_ != $cluster->owner($slot) } $cluster->masters;
    my $from = $cluster->begin_move($slot, $to);
    1 while $cluster->move_keys($slot, $from, $to);
    $to->cmd('ACL', 'SETUSER', 'gate', '-asking');
    is reason($who->('subject1')), 'store_down', 'not without ASKING';
    like slurp($nginx->{log}), qr/\[error\].*'asking' command.*\+asking/,
        'the log says what to grant';
    $to->cmd('ACL', 'SETUSER', 'gate', '+asking');
    is reason($who->('subject1')), 'accepted', 'but with it';
    $cluster->end_move($slot, $from, $to);
    $nginx->stop;
};


subtest 'reloads' => sub {
    my $end = time + 3;
    my $next = time;
    my ($n, %seen) = (0);

    $t->script('DE')->concurrent(8, sub {
        $n++;
        return if time > $end;

        if (time > $next) {
            $t->{nginx}[0]->signal('HUP');
            $next = time + 0.5;
        }

        return ['GET', '/', ['X-Test-Account' => 'subject'
            . (1 + $n % SUBJECTS), Connection => 'close']];
    }, sub ($r, $request) {
        my ($reason) = ($r ? $r->header('Consent-Gate') : '')
            =~ /reason=(\w+)/;
        $seen{ $reason // 'nothing' }++;
    });

    is_deeply [sort keys %seen], ['accepted'], "$n requests are answered"
        or diag explain \%seen;
    ok wait_for(sub { !$t->{nginx}[0]->children(
        'worker process is shutting down') }, 10), 'and old workers leave';
    ok wait_for(sub {
        9 >= (() = join('', map { $_->cmd('CLIENT', 'LIST') }
            $cluster->masters) =~ /name=consent-gate/g);
    }, 10), 'with their connections';
};


subtest 'a topology that is not the one' => sub {
    my $single = $t->redis(port => $t->port('single'));
    my ($node) = $cluster->nodes;

    my $check = qr/is a single server: check "server" and "topology"/;
    my $set   = qr/is a node of a cluster: set "topology cluster"/;

    for (['cluster', $single, $check], ['single', $node, $set],
        ['sentinel consent', $node, $set],
        ['sentinel consent', $single, $check])
    {
        my ($topology, $server, $advice) = @$_;
        my $store = "topology $topology; server 127.0.0.1:" . $server->port;
        my $consent = ConsentGate::Test::consent_block()
            =~ s/server\s+%%REDIS%%/$store/r;
        my $name = ($topology =~ s/ .*//r) . $server->port;
        my ($nginx, $who) = site($name, $consent);

        is reason($who->('subject1')), 'store_down', "$topology";
        my @lines = grep { /\[error\].* consent store/ } split /\n/,
            slurp($nginx->{log});
        is scalar(@lines), 1, 'one line';
        like $lines[0], $advice, 'says what to do';
        $nginx->stop;
    }
};

$t->done;
