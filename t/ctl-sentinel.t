use v5.36;

# consentctl and a Sentinel group: the master is found, and found again by the
# next command when another one has taken its place; sentinels may have users
# of their own; and it says so when none of them knows.

use lib 't/lib';
use Test::More;
use ConsentGate::Ctl;
use ConsentGate::Fake;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->key_file;

sub ctl ($store, %options) {
    my @servers = map { '127.0.0.1:' . $_->public_port } $store->watchers;
    my @lines = ('topology sentinel ' . ConsentGate::Sentinel::NAME,
        'checkpoints ' . $t->dir . '/checkpoints',
        @{ $options{lines} // [ConsentGate::Ctl::login($t)] });

    return ConsentGate::Ctl->new($t, redis => join(',', @servers),
        config => $options{config} // 'group.conf', lines => \@lines);
}

# A version is published, and there is where the group says it should be.
sub publishes ($store, $ctl, $version) {
    my $run = $ctl->run(qw(policy publish terms --yes --version), $version);

    is $run->code, 0, "version $version is published" or diag($run->err);
    is $run->err, '', 'in silence';
    like $store->cmd(qw(HGET gc:p terms)), qr/^version=$version /,
        'at the master';

    return;
}

# Replicas know of what was published: a failover would lose it otherwise.
sub copied ($store) {
    my $replicas = grep { $_ != $store->master } $store->up;
    return $store->cmd('WAIT', $replicas, 5000) >= $replicas;
}


my $group = $t->sentinel(replicas => 2, sentinels => 3);
my $ctl = ctl($group);

subtest 'the master is found' => sub {
    publishes($group, $ctl, 1);

    my $list = $ctl->json(qw(policy list))->data->{documents};
    is $list->[0]{version}, 1, 'and read';
    is $ctl->json('verify')->data->{events}, 0, 'by every command';

    my ($found) = grep { $_->{what} eq 'role' }
        @{ $ctl->json('doctor')->data->{checks} };
    is $found->{result}, 'ok', 'doctor has the master';
    like $found->{found}, qr/:@{[ $group->master->port ]} is a master$/,
        'this one';
};


subtest 'a database' => sub {
    is $ctl->run(qw(policy list --database 3))->code, 5,
        'sentinels have none, the master has';
};


subtest 'a failover between two commands' => sub {
    my $old = $group->master;

    ok copied($group), 'the replicas have it';
    $group->failover;
    ok wait_for(sub { $group->master != $old }, 20), 'another master';
    $group->wait_ok;

    is $ctl->json(qw(policy list))->data->{documents}[0]{version}, 1,
        'it is found, and has what was published';
    publishes($group, $ctl, 2);
    ok copied($group), 'the replicas have it';
};


subtest 'the master is killed' => sub {
    my $old = $group->master;

    $old->stop('KILL');

    my $run = $ctl->run(qw(policy list));
    is $run->code, 4, 'until the sentinels agree there is none';
    like $run->err, qr/\Aconsentctl: Redis at 127\.0\.0\.1:\d+: .*\n\z/,
        'one line says so';

    ok wait_for(sub { $group->master != $old
        && $ctl->run(qw(policy list))->code == 0 }, 30),
        'then it is another one';
    publishes($group, $ctl, 3);

    $old->start;
    $group->wait_ok;
};


subtest 'sentinels that do not help' => sub {
    my ($silent, $good) = $group->watchers;
    my $master = $group->master;
    my $nobody = $t->fake(SENTINEL => undef);
    my $junk = $t->fake(SENTINEL => ['a b', 'x']);
    my ($replica) = grep { $_ != $master } $group->up;
    my $liar = $t->fake(SENTINEL => ['127.0.0.1', $replica->port]);
    my $right = '127.0.0.1:' . $good->port;
    my $none = '127.0.0.1:' . $t->port('none');

    my @bad = map { $_->address } $nobody, $junk, $liar;
    my $run = $ctl->run(qw(policy list --server), join ',', $none, @bad,
        $right);
    is $run->code, 0, 'the next one is asked';
    is $run->err, '', 'in silence';

    $run = $ctl->run(qw(policy list --server), join ',', $none, @bad);
    is $run->code, 4, 'none of them';
    is $run->err =~ tr/\n//, 1, 'one line';
    like $run->err, qr/\Q$none\E: connect: Connection refused; /,
        'nobody is there';
    like $run->err, qr/the sentinel at \S+ knows no master "consent"; /,
        'one does not know it';
    like $run->err, qr/Redis at \S+:@{[ $replica->port ]} is not the master /,
        'one takes a replica for it';
    is $ctl->json(qw(policy list --server), $none)->error->{code}, 'redis',
        'in JSON';

    $silent->freeze;
    $run = $ctl->run(qw(policy list --timeout 1s));
    is $run->code, 0, 'one that is silent';
    $silent->thaw;

    $run = $ctl->run('--topology', 'sentinel other', qw(policy list));
    is $run->code, 4, 'another name';
    is 3, (() = $run->err =~ /knows no master "other"/g), 'all were asked';

    $_->stop for $nobody, $junk, $liar;
};


subtest 'a password of the sentinels' => sub {
    my $password = $t->write_file('sentinel.pass', "guard\n", 0600);
    my ($watcher) = $group->watchers;
    my @one = ('--server', '127.0.0.1:' . $watcher->public_port);

    $watcher->cmd(qw(ACL SETUSER default on >guard));
    $watcher->cmd(qw(ACL SETUSER scout on >guard +@all));
    delete $watcher->{client};

    my $run = $ctl->run(qw(policy list), @one);
    is $run->code, 4, 'none';
    like $run->err,
        qr/the sentinel at \S+ wants a password: set sentinel_password_file$/,
        'what to do';

    push @one, '--sentinel-password-file', $password;
    is $ctl->run(qw(policy list), @one)->code, 0, 'the right one';
    is $ctl->run(qw(policy list --sentinel-username scout), @one)->code, 0,
        'of a user';
    $run = $ctl->run(qw(policy list --sentinel-username nobody), @one);
    is $run->code, 4, 'of nobody';
    like $run->err, qr/refuses the password: WRONGPASS/, 'in its words';

    $run = $ctl->run(qw(policy list --sentinel-username scout));
    is $run->code, 2, 'a user without one';
    like $run->err, qr/: sentinel_username needs sentinel_password_file$/,
        'is a mistake';

    @$watcher{qw(user password)} = ('default', 'guard');
};

$t->done;
