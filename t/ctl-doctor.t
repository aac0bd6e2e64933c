use v5.36;

# doctor looks at what the gate depends on, and says what to do.

use lib 't/lib';
use Test::More;
use ConsentGate::Ctl;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->key_file;
my $redis = $t->redis(config => { appendonly => 'yes' });
my $checkpoints = $t->write_file('checkpoints', '');
my $ctl = ConsentGate::Ctl->new($t, redis => $redis,
    lines => ["checkpoints $checkpoints"]);
my $database = $t->standard_database;
my @geo = ('--geoip', $database);

$redis->cmd(qw(HSET gc:p terms version=1));

# The checks that are not ok, by name.
sub wrong ($run) {
    return map { $_->{what} => $_ } grep { $_->{result} ne 'ok' }
        @{ $run->data->{checks} };
}

subtest 'all is well' => sub {
    my $run = $ctl->json('doctor', @geo);
    is $run->code, 0, 'exit code' or diag($run->out);
    is_deeply [map { $_->{what} } @{ $run->data->{checks} }],
        ['key file', qw(database version role eviction persistence clock
        scripts policies checkpoints)], 'what is looked at';
    like $ctl->run('doctor', @geo)->out, qr/^ok    key file: .* is "k1"$/m,
        'as text';
};

subtest 'the configuration of nginx' => sub {
    mkdir $t->dir . '/bin';
    symlink ConsentGate::Nginx::binary(), $t->dir . '/bin/nginx';
    local $ENV{PATH} = $t->dir . "/bin:$ENV{PATH}";

    my $conf = $t->make_nginx(flow_site())->{conf};
    my $run = $ctl->json('doctor', '--nginx', $conf);
    is_deeply [map { @$_{qw(what result)} } $run->data->{checks}[0]],
        [qw(nginx ok)], 'nginx takes it' or diag $run->out;

    $conf = $t->make_nginx(flow_site(server => 'consent_territory moon;'),
        name => 'moon')->{conf};
    $run = $ctl->json('doctor', '--nginx', $conf);
    my %wrong = wrong($run);
    is $run->code, 1, 'nginx does not: exit code';
    is $wrong{nginx}{result}, 'bad', 'bad';
    like $wrong{nginx}{found},
        qr/^\[emerg\] .*"moon" in "consent_territory" directive/,
        'in the words of nginx';

    $conf = $t->make_nginx(flow_site(server =>
        'consent_subject $http_x_account;'), name => 'warned')->{conf};
    %wrong = wrong($ctl->json('doctor', '--nginx', $conf));
    is $wrong{nginx}{result}, 'warn', 'a warning is told, too';

    %wrong = wrong($ctl->json('doctor', '--nginx', '/none; touch /tmp/x'));
    like $wrong{nginx}{found}, qr{/none; touch}, 'a path is a path';

    local $ENV{PATH} = $t->dir;
    %wrong = wrong($ctl->json('doctor', '--nginx', $conf));
    like $wrong{nginx}{found}, qr/cannot be started/, 'and no nginx is told';
};

subtest 'findings' => sub {
    my sub finds ($what, $advice, @options) {
        my $run = $ctl->json('doctor', @options);
        my %wrong = wrong($run);
        is $run->code, 1, "$what: exit code";
        is_deeply [keys %wrong], [$what], 'this one';
        like $wrong{$what}{advice}, $advice, 'and what to do';
        return;
    }

    wait_for(sub { time > (stat $database)[9] + 1 });
    finds('database', qr/newer/, @geo, '--max-age', '0s');
    finds('database', qr/download/, '--geoip', '/nonexistent');
    finds('checkpoints', qr/consentctl checkpoint/, '--checkpoints', '/none');
    finds('key file', qr/make it/, '--key-file', '/nonexistent');

    $redis->cmd(qw(CONFIG SET appendonly no));
    finds('persistence', qr/appendonly yes/);
    $redis->cmd(qw(CONFIG SET appendonly yes));

    $redis->cmd(qw(CONFIG SET maxmemory 1gb));
    $redis->cmd(qw(CONFIG SET maxmemory-policy allkeys-lru));
    finds('eviction', qr/noeviction/);
    $redis->cmd(qw(CONFIG SET maxmemory-policy noeviction));

    $redis->cmd(qw(ACL SETUSER default -eval));
    finds('scripts', qr/\+eval/);
    $redis->cmd(qw(ACL SETUSER default +eval));

    $redis->cmd(qw(HSET gc:p terms x));
    finds('policies', qr/publish --force/);
    $redis->cmd(qw(DEL gc:p));
    finds('policies', qr/publish them/);
};

subtest 'a user with the rules of conf/redis/consentctl.acl' => sub {
    my @rules = map { split ' ' } map { s/\s*#.*//r } split /\n/,
        slurp("$ConsentGate::Test::ROOT/conf/redis/consentctl.acl");
    is $redis->cmd(qw(ACL SETUSER consentctl on >word), @rules), 'OK', 'rules';

    my $user = ConsentGate::Ctl->new($t, redis => $redis, config => 'user.conf',
        lines => ["checkpoints $checkpoints", 'username consentctl',
        'password_file ' . $t->write_file('word', "word\n", 0600)]);
    my $record = key_of(account => 'anna');
    $redis->cmd('HSET', $record->{record}, k => $record->{check}, rev => 1,
        'd.terms' => 1);

    for (
        [qw(policy publish terms --version 2 --yes)],
        [qw(policy list)],
        [qw(subject show --subject anna)],
        [qw(subject residence --subject anna --country NO)],
        [qw(subject export --subject anna)],
        [qw(pending --scan)],
        [qw(pending), \"anna\n"],
        [qw(link --subject anna)],
        [qw(subject erase --subject anna --yes)],
        [qw(stats)],
        [qw(checkpoint)],
        [qw(verify)],
        [qw(events export --all --output), $t->dir . '/export'],
        ['doctor', @geo],
    ) {
        my $run = $user->run(@$_);
        is $run->code, 0, join(' ', grep { !ref } @$_)
            or diag($run->err, $run->out);
    }
};

is $ctl->run(qw(doctor --server unix:/nonexistent))->code, 4,
    'no Redis is an error';

$t->done;
