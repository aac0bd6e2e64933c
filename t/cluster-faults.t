use v5.36;

# Nodes of a cluster that talk nonsense: each request has an answer in time,
# nothing goes round for ever, and a line says what is wrong.

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

sub oops ($text) { return ConsentGate::Resp::Error->new($text) }

my $NOBODY = sub (@command) { [(undef) x (@command - 2)] };
my $made   = 0;

# All slots at one node; or a table of others.
sub slots (@ports) {
    my ($first, @ranges) = (0);
    for my $i (0 .. $#ports) {
        my $last = int(16_384 * ($i + 1) / @ports) - 1;
        push @ranges, [\$first, \$last,
            ['127.0.0.1', \"$ports[$i]", 'id' . $i, []]];
        $ranges[-1] = [\"$first", \"$last", $ranges[-1][2]];
        $first = $last + 1;
    }
    return \@ranges;
}

# Some scripted nodes, and a site that has the first as its server.
sub site ($name, $more, @scripts) {
    my $first = $made;
    my @ports = map { $t->port('fake' . ($first + $_ || '')) } 0 .. $#scripts;
    my @fakes;

    for my $script (@scripts) {
        my %script = ref $script eq 'CODE' ? $script->(@ports) : %$script;
        push @fakes, $t->fake(
            CLUSTER => slots($ports[0]),
            HGETALL => [],
            HMGET   => $NOBODY,
            %script);
        $made++;
    }

    my $store = "topology cluster; server 127.0.0.1:$ports[0]; $more";
    my $consent = ConsentGate::Test::consent_block()
        =~ s/server\s+%%REDIS%%;/$store/r;
    $consent =~ s/^\s+(?:write_)?timeout .*\n//mg if $more =~ /timeout/;

    local $t->{ports}{''} = $t->port($name);
    my $nginx = $t->nginx(
        flow_site(server => 'consent_subject $http_x_test_account;')
        =~ s/%%CONSENT%%/$consent/r, name => "nginx-$name");
    my $http = $t->script('DE', port => $t->port($name),
        headers => ['X-Test-Account' => 'anna']);

    return ($nginx, $http, @fakes);
}

sub reason ($http) {
    return $http->get('/')->header('Consent-Gate') =~ /reason=(\w+)/
        ? $1 : 'none';
}

sub complaints ($nginx) {
    return scalar grep { /\[(?:warn|error)\].* consent store/ } split /\n/,
        slurp($nginx->{log});
}


subtest 'nodes that send us to each other' => sub {
    my ($nginx, $http, @fakes) = site('moved', 'timeout 1s; write_timeout 1s;',
        sub (@p) { (HMGET => oops("MOVED 1 127.0.0.1:$p[1]"),
            CLUSTER => slots(@p)) },
        sub (@p) { (HMGET => oops("MOVED 1 127.0.0.1:$p[0]"),
            CLUSTER => slots(@p)) });

    my $began = time;
    is reason($http), 'store_down', 'are given up';
    cmp_ok time - $began, '<', 0.9, 'before the time is up';
    is scalar(map { $_->seen('HMGET') } @fakes), 4, 'after three hops';
    like slurp($nginx->{log}),
        qr/\[error\].*sent elsewhere more than 3 times for slot 1, at last to/,
        'the log says so';
    reason($http) for 1 .. 20;
    cmp_ok complaints($nginx), '<=', 3, 'and is quiet';
};


# Each reply is taken for that of the question before, and comes too late for it.
subtest 'a reply that is lost on its way' => sub {
    my ($nginx, $http, $fake) = site('lost', 'timeout 50ms; write_timeout 1s;',
        { HMGET => ConsentGate::Fake::turns({}, $NOBODY) });

    is reason($http), 'store_down', 'is one failure';
    ok wait_for(sub { reason($http) eq 'missing' }, 10), 'and is got over';
    is reason($http), 'missing', 'for good';
};


subtest 'ASK without an end' => sub {
    my ($nginx, $http, @fakes) = site('ask', 'timeout 1s; write_timeout 1s;',
        sub (@p) { (HMGET => oops("ASK 1 127.0.0.1:$p[1]"),
            ASKING => \'OK') },
        sub (@p) { (HMGET => oops("ASK 1 127.0.0.1:$p[0]"),
            ASKING => \'OK') });

    is reason($http), 'store_down', 'is given up';
    is scalar(map { $_->seen('HMGET') } @fakes), 4, 'after three hops';
    is scalar(map { $_->seen('ASKING') } @fakes), 3, 'ASKING before each';

    my @second = map { $_->[1] } grep { $_->[1] =~ /^(?:ASKING|HMGET)$/ }
        $fakes[1]->seen;
    is_deeply [@second[0 .. 3]], [('ASKING', 'HMGET') x 2], 'right before';
    cmp_ok scalar($fakes[0]->seen('CLUSTER')), '<', 6,
        'the table of slots is not asked for each time';
};


subtest 'a node that sends us to itself' => sub {
    my ($nginx, $http, $fake) = site('self', 'timeout 1s; write_timeout 1s;',
        sub (@p) { (HMGET => oops("MOVED 1 :$p[0]")) });

    is reason($http), 'store_down', 'is given up';
    is scalar($fake->seen('HMGET')), 4, 'after three times';
};


subtest 'a table of slots that is none' => sub {
    my ($nginx, $http, $fake) = site('table', 'timeout 1s; write_timeout 1s;',
        sub (@p) { (HMGET => oops("MOVED 1 127.0.0.1:$p[0]"),
            CLUSTER => ConsentGate::Fake::turns(slots($p[0]), \'OK',
                slots($p[0]))) });

    # each question to it ends in doubt
    ok wait_for(sub { reason($http); $fake->seen('CLUSTER') >= 2 }),
        'is asked for in doubt';
    ok wait_for(sub { reason($http); $fake->seen('CLUSTER') >= 4 }),
        'and asked for again';
    like slurp($nginx->{log}), qr/reply that does not fit the command/,
        'the log says so';
};


subtest 'redirections that cannot be read, or lead nowhere' => sub {
    my $closed = $t->port('closed');
    my @texts = ('MOVED', 'MOVED 1', 'MOVED 99999 127.0.0.1:1',
        'MOVED 1 127.0.0.1:0', 'MOVED 1 127.0.0.1:99999', 'MOVED 1 /x:1',
        'ASK -1 127.0.0.1:1', "MOVED 1 127.0.0.1:$closed",
        "ASK 1 127.0.0.1:$closed", 'MOVED 1 no.such.host:6379');

    for my $i (0 .. $#texts) {
        my ($nginx, $http) = site("bad$i", 'timeout 300ms; write_timeout 1s;',
            { HMGET => ConsentGate::Fake::turns(oops($texts[$i]), $NOBODY) });

        my $began = time;
        like reason($http), $i < 7 ? qr/^store_down$/
            : qr/^(?:store_down|missing)$/, $texts[$i];
        cmp_ok time - $began, '<', 1, 'is not waited for';
        ok wait_for(sub { reason($http) eq 'missing' }), 'and forgotten';
        $nginx->stop;
    }
};


subtest 'tables of slots that are none' => sub {
    my @tables = (
        oops('ERR This instance has cluster support disabled'),
        oops('NOPERM no'), undef, \'OK', \7, [], [[]], ['x'], [[\0, \1]],
        [[\0, \1, []]], [[\0, \1, ['127.0.0.1']]],
        [[\0, \1, ['127.0.0.1', \0]]], [[\5, \1, ['127.0.0.1', \1]]],
        [[\0, \16_384, ['127.0.0.1', \1]]], [[\0, \1, ['a b', \1]]],
        [[\0, \1, ['no.such.host', \1]]],
        { raw => "*1\r\n*3\r\n:0\r\n", close => 1 },
        { raw => "*100000000\r\n" }, { raw => "*1\r\n" x 9 },
        { raw => "x\r\n" },
        {},
    );

    for my $i (0 .. $#tables) {
        my ($nginx, $http) = site("table$i", 'timeout 500ms; write_timeout 1s;',
            sub (@p) { (CLUSTER => ConsentGate::Fake::turns($tables[$i],
                slots(@p))) });

        my $reason = reason($http);
        like $reason, qr/^(?:store_down|missing)$/, "number $i";
        ok wait_for(sub { reason($http) eq 'missing' }), 'is got over';
        like slurp($nginx->{log}),
            qr/\[error\].*no node of the cluster tells its slots; the last, /,
            'the log says what it is';
        $nginx->stop;
    }
};


subtest 'a better table that turns bad' => sub {
    my ($nginx, $http) = site('turns', 'timeout 500ms; write_timeout 1s;',
        sub (@p) { (CLUSTER => ConsentGate::Fake::turns(slots(@p), [])) });

    for (1 .. 30) {
        is reason($http), 'missing', 'the last good one stays' if $_ % 10 == 0;
        select undef, undef, undef, 0.1;
    }
    $nginx->stop;
};


subtest 'TRYAGAIN' => sub {
    my ($nginx, $http, $fake) = site('again', 'timeout 1s; write_timeout 1s;',
        { HMGET => ConsentGate::Fake::turns((oops('TRYAGAIN later')) x 3,
            $NOBODY) });

    is reason($http), 'missing', 'is tried again';
    is scalar($fake->seen('HMGET')), 4, 'until it is answered';

    ($nginx, $http, $fake) = site('never', 'timeout 200ms; write_timeout 1s;',
        { HMGET => oops('TRYAGAIN later') });
    my $began = time;
    is reason($http), 'store_down', 'within the time that there is';
    my $took = time - $began;
    cmp_ok $took, '>', 0.15, 'and not less';
    cmp_ok $took, '<', 0.9, 'nor more';
    cmp_ok scalar($fake->seen('HMGET')), '<', 20, 'not too often';
};


subtest 'LOADING' => sub {
    my ($nginx, $http, $fake) = site('load', 'timeout 2s; write_timeout 1s;',
        { HMGET => ConsentGate::Fake::turns(oops('LOADING the data set'),
            $NOBODY) });

    is reason($http), 'missing', 'is tried again on another connection';
    is scalar($fake->seen('HMGET')), 2, 'once';
};


subtest 'CLUSTERDOWN' => sub {
    my ($nginx, $http, $fake) = site('down', 'timeout 1s; write_timeout 1s;',
        { HMGET => ConsentGate::Fake::turns(
            (oops('CLUSTERDOWN The cluster is down')) x 8, $NOBODY) });

    my $began = time;
    is reason($http), 'store_down', 'is not waited for' for 1 .. 5;
    cmp_ok time - $began, '<', 0.9, 'at all';
    is scalar($fake->seen('HMGET')), 5, 'five are asked for';
    is reason($http), 'store_down', 'more are not' for 1 .. 20;
    cmp_ok scalar($fake->seen('HMGET')), '<=', 6, 'the breaker is open';
    ok wait_for(sub { reason($http) eq 'missing' }), 'until it serves';
    like slurp($nginx->{log}), qr/\[error\].*CLUSTERDOWN The cluster is down/,
        'the log says so';
    cmp_ok complaints($nginx), '<=', 4, 'and is quiet';
};

$t->done;
