use v5.36;

# All that consentctl does, with the user of conf/redis/consentctl.acl and over
# TLS, with a certificate of its own: on one Redis, a Sentinel group, a cluster.

use lib 't/lib';
use Test::More;
use ConsentGate::Certificates;
use ConsentGate::Ctl;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->key_file;
$t->page('policy-update.html', flow_page);

my $ca = ConsentGate::Certificates->new(dir => $t->dir . '/tls');

# Servers talk to each other, too, and are clients then.
my ($cert, $key) = $ca->issue('redis.test', use => 'serverAuth,clientAuth',
    names => ['DNS:redis.test', 'IP:127.0.0.1']);
my ($own, $own_key) = $ca->issue('consentctl', use => 'clientAuth');
my %TLS = (cert => $cert, key => $key, ca => $ca->cert);

sub ctl ($name, $server, @lines) {
    return ConsentGate::Ctl->new($t, redis => $server, config => "$name.conf",
        lines => [@lines, ConsentGate::Ctl::login($t), 'tls on',
            'checkpoints ' . $t->dir . "/checkpoints-$name",
            'tls_trusted_certificate ' . $ca->cert,
            "tls_certificate $own", "tls_certificate_key $own_key"]);
}

# To whichever of the nodes takes it: a redirection names the port of TLS.
sub put ($store, @words) {
    for my $node ($store->can('nodes') ? $store->nodes : $store) {
        my $reply = $node->cmd(@words);
        return $reply if !ref $reply;
    }

    return;
}

# The whole life of a few events.
sub everything ($name, $store, $ctl) {
    my $file = $t->dir . "/$name.jsonl";
    my @works = (
        [qw(policy publish terms --version 1 --yes)],
        [qw(policy list)],
        [qw(subject show --subject user3)],
        [qw(subject residence --subject user1 --country NO)],
        [qw(subject residence --subject user2 --country SE)],
        [qw(subject export --subject user1)],
        [qw(checkpoint)],
        [qw(verify)],
        [qw(verify --subject user1)],
        [qw(pending --summary), \"user1\nuser9\n"],
        [qw(pending --scan)],
        [qw(link), \"user1\nuser9\n"],
        [qw(stats)],
        [qw(events export --all --output), $file],
        [qw(subject erase --subject user1 --yes)],
        [qw(verify)],
    );

    for my $n (1 .. 3) {
        my $of = key_of(account => "user$n");
        put($store, 'HSET', $of->{record}, k => $of->{check}, rev => 1,
            'd.terms' => 1);
    }

    for my $words (@works) {
        my $run = $ctl->run(@$words);
        is $run->code, 0, "$name: " . join ' ', grep { !ref } @$words
            or diag($run->out, $run->err);
    }

    my @lines = split /\n/, slurp($file);
    is @lines, 2, "$name: two events are exported";

    my $old = time - 1;
    my $last = "$file.2";
    wait_for(sub { time > $old + 3 });
    is $ctl->run(qw(events export --output), $last, '--before', time - 1)
        ->code, 0, "$name: what is old is exported";
    is $ctl->json(qw(events trim --yes --proof 1s --manifest),
        "$last.manifest")->data->{trimmed}, 1, "$name: and trimmed";
    is $ctl->json('verify')->code, 0, "$name: the rest is good";

    return;
}


subtest 'one Redis' => sub {
    my $redis = $t->redis(tls => { %TLS, auth => 'yes',
        port => $t->port('tls') });
    my $address = '127.0.0.1:' . $t->port('tls');
    my $ctl = ctl('one', $address);

    everything('one', $redis, $ctl);

    my $run = $ctl->run(qw(verify --tls-certificate), $cert,
        '--tls-certificate-key', $own_key);
    is $run->code, 3, 'a key of another certificate';
    like $run->err, qr/cannot use the certificate "[^"]+" and its key/, 'why';

    my $bare = ConsentGate::Ctl->new($t, redis => $address,
        config => 'bare.conf', lines => [ConsentGate::Ctl::login($t), 'tls on',
        'tls_trusted_certificate ' . $ca->cert]);
    $run = $bare->run(qw(verify --quiet));
    is $run->code, 4, 'without one of its own';
    like $run->err, qr/^consentctl: Redis at \S+: (?:read|write|TLS): .*\n\z/,
        'is refused in one line';

    $run = $ctl->run(qw(verify --quiet --tls off));
    is $run->code, 4, 'without TLS';
    like $run->err, qr/^consentctl: Redis at \S+: .*\n\z/, 'too';

    $redis->stop;
};


subtest 'a Sentinel group' => sub {
    my $group = $t->sentinel(replicas => 1, sentinels => 1, tls => \%TLS);
    my ($watcher) = $group->watchers;
    my $ctl = ctl('group', '127.0.0.1:' . $watcher->public_port,
        'topology sentinel ' . ConsentGate::Sentinel::NAME);

    everything('group', $group, $ctl);
    is $ctl->run(qw(policy list --tls-server-name redis.test))->code, 0,
        'by name';

    my $run = $ctl->run(qw(policy list --tls-server-name other.test));
    is $run->code, 4, 'another name';
    like $run->err, qr/the certificate is refused for "other\.test"/,
        'is refused';
    $_->stop for $group->watchers, $group->nodes;
};


subtest 'a cluster' => sub {
    my $cluster = $t->cluster(masters => 3, tls => \%TLS);
    my ($first) = $cluster->nodes;
    my $ctl = ctl('cluster', '127.0.0.1:' . $first->public_port,
        'topology cluster');

    everything('cluster', $cluster, $ctl);
};

$t->done;
