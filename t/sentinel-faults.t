use v5.36;

# Sentinels that do not know, or know something wrong; and a master that has
# become a replica without anybody's word.

use lib 't/lib';
use Test::More;
use Time::HiRes qw(time);
use ConsentGate::Fake;
use ConsentGate::Flow;
use ConsentGate::Resp;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);

my $NAME = 'SENTINEL';

sub oops ($text) { return ConsentGate::Resp::Error->new($text) }

sub site ($name, @sentinels) {
    my $store = join ' ', 'topology sentinel consent;', map {
        'server ' . $_->address . ';' } @sentinels;
    my $consent = ConsentGate::Test::consent_block()
        =~ s/server\s+%%REDIS%%;/$store/r;

    local $t->{ports}{''} = $t->port($name);
    my $nginx = $t->nginx(
        flow_site(server => 'consent_subject $http_x_test_account;')
        =~ s/%%CONSENT%%/$consent/r, name => "nginx-$name");

    return ($nginx, $t->script('DE', port => $t->port($name),
        headers => ['X-Test-Account' => 'anna']));
}

sub reason ($http) {
    return $http->get('/')->header('Consent-Gate') =~ /reason=(\w+)/
        ? $1 : 'none';
}

my $redis = $t->redis(port => $t->port('redis'));
my @RIGHT = ('127.0.0.1', $redis->port);


subtest 'words that lead nowhere' => sub {
    my @words = (undef, oops('ERR unknown command'), oops('NOPERM no'), \'OK',
        \7, [], ['127.0.0.1'], ['127.0.0.1', 0], ['127.0.0.1', 65_536],
        ['127.0.0.1', 'x'], ['', 6379], ['a b', 6379], [undef, undef],
        ['no.such.host', 6379], [@RIGHT, 'more'], 'text',
        { raw => "*2\r\n\$9\r\n127.0", close => 1 }, { raw => "x\r\n" },
        { close => 1 });

    for my $i (0 .. $#words) {
        my $sentinel = $t->fake($NAME => ConsentGate::Fake::turns($words[$i],
            [@RIGHT]));
        my ($nginx, $http) = site("words$i", $sentinel);

        like reason($http), qr/^(?:store_down|missing)$/, "number $i";
        ok wait_for(sub { reason($http) eq 'missing' }), 'is got over';
        like slurp($nginx->{log}),
            qr/\[error\].*no sentinel tells the master; the last, /,
            'the log says what it is';
        $nginx->stop;
        $sentinel->stop;
    }
};


subtest 'a master that nobody knows' => sub {
    my ($nginx, $http) = site('nobody', $t->fake($NAME => undef));

    is reason($http), 'store_down', 'is none';
    like slurp($nginx->{log}),
        qr/\[error\].*it has no master "consent": check "topology"/,
        'the log says what to do';
    reason($http) for 1 .. 30;
    is scalar(() = slurp($nginx->{log}) =~ /\[error\].*consent store/g), 1,
        'once';
};


subtest 'the next one is asked' => sub {
    my @bad = ($t->fake($NAME => undef), $t->fake($NAME => {}));
    my $good = $t->fake($NAME => [@RIGHT]);
    my ($nginx, $http) = site('next', @bad, $good);

    my $began = time;
    ok wait_for(sub { reason($http) eq 'missing' }), 'when one does not know';
    cmp_ok time - $began, '<', 1, 'or does not answer';
    unlike slurp($nginx->{log}), qr/\[error\].*consent store/,
        'which is no error';
};


subtest 'one that is not the master' => sub {
    my $replica = $t->fake(ROLE => ['slave', '127.0.0.1', \1, 'connected', \1]);
    my $sentinel = $t->fake($NAME => ConsentGate::Fake::turns(
        (['127.0.0.1', $replica->port]) x 3, [@RIGHT]));
    my ($nginx, $http) = site('replica', $sentinel);

    ok wait_for(sub { reason($http) eq 'missing' }), 'is not taken for it';
    is scalar(map { $replica->seen($_) } qw(HMGET EVALSHA EVAL)), 0,
        'nor asked anything';
    like slurp($nginx->{log}), qr/\[error\].*not a master but "slave"/,
        'the log says so';
};


subtest 'a master that has become a replica' => sub {
    my $old = $t->redis(port => $t->port('old'), dir => $t->dir . '/redis-old',
        socket => "$t->{sockets}/old.sock");
    my $sentinel = $t->fake($NAME => ConsentGate::Fake::turns(
        ['127.0.0.1', $old->port], [@RIGHT]));
    my ($nginx, $http) = site('readonly', $sentinel);
    my $from = -s $nginx->{log};

    ok wait_for(sub { reason($http) eq 'missing' }), 'it is the master';
    my $state = $http->get('/consent/state')->json;
    $old->cmd('REPLICAOF', @RIGHT);
    ok wait_for(sub { $old->cmd('INFO', 'replication')
        =~ /master_link_status:up/ }, 20), 'and then a replica of another';

    is answer_as_script($http, state => $state)->status, 200,
        'an answer that is in flight';
    my @events = events($redis);
    is scalar(@events), 1, 'is recorded once, by the new master';
    is reason($http), 'accepted', 'which is asked from then on';
    my @lines = grep { /consent store .*\bno(?:t a)? master\b/ }
        split /\n/, slurp($nginx->{log});
    is scalar(@lines), 1, 'the log says so, once' or diag @lines;
};

$t->done;
