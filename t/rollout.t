use v5.36;

# From report to one in a hundred to all: conf/snippets/rollout.conf, and what
# docs/operations.md says there is to see.

use lib 't/lib';
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Record qw(put_record);
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

my $SNIPPET = slurp("$ConsentGate::Test::ROOT/conf/snippets/rollout.conf");

# The snippet with another first part: undef is none of it.
sub rollout ($percent) {
    my $text = $SNIPPET =~ s/^    1%  on;\n/defined $percent
        ? "    $percent%  on;\n" : ''/mer;
    return $text;
}

sub site ($rollout) {
    return flow_site(
        http   => $rollout,
        server => 'consent_gate $rollout;
            consent_subject $http_x_account;
            location = /status { consent_status json; }',
        page   => 'consent_gate on;',
        api    => 'consent_gate on;',
    ) =~ s/^\s*consent_gate on;\n(?=\s*consent_explain)//mr;
}

like $SNIPPET, qr/^    1%  on;$/m, 'the snippet begins with one in a hundred';

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);
$t->nginx(site(rollout(undef)));

my $NETWORK = (split /\./, address_of('DE'))[1];

# Clients of Germany, each with an address of its own: those who are asked.
sub asked ($n, %options) {
    my $http = $t->http(headers => ['Sec-Fetch-Mode' => 'navigate',
        'Sec-Fetch-Dest' => 'document']);
    my ($next, %asked, %modes) = (0);

    $http->concurrent(16, sub {
        return if $next == $n;
        my $address = sprintf '10.%d.%d.%d', $NETWORK, $next / 250,
            $next % 250 + 1;
        $next++;
        return ['GET', '/', ['X-Real-IP' => $address,
            @{ $options{headers} // [] }]];
    }, sub ($r, $request) {
        my ($mode) = $r->header('Consent-Gate') =~ /gate=(\w+)/;
        $modes{$mode}++;
        $asked{ $request->[2][1] } = 1 if $r->status == 302;
    });

    return (\%asked, \%modes);
}

sub status () { return $t->get('/status')->json }

my $N = 2000;
my $before;


subtest 'report' => sub {
    my ($asked, $modes) = asked($N);
    is_deeply $asked, {}, 'nobody is asked';
    is_deeply $modes, { report => $N }, 'all are reported';

    my $status = status();
    is $status->{reported}, $N, 'which the counters tell';
    is $status->{decisions}{page}{missing}, $N, 'with what would be';

    my $browser = $t->browser('DE');
    $browser->get('/');
    is_deeply [$browser->jar->names], [], 'without a cookie';
    is_deeply [$t->redis->keys('gc:s:*')], [], 'and nothing is written';
};

subtest 'who comes to the page already may answer' => sub {
    my $browser = $t->browser('DE');
    is answer($browser)->status, 303, 'and is taken at their word';
    like $browser->get('/')->header('Consent-Gate'),
        qr/^pass; reason=accepted;.* gate=report;/, 'and would pass';
};

for my $percent (1, 10, 50) {
    subtest "$percent in a hundred" => sub {
        ok $t->reload(site(rollout($percent))), 'a reload';

        my $count = status();
        my ($asked, $modes) = asked($N);
        my $share = 100 * keys(%$asked) / $N;

        cmp_ok abs($share - $percent), '<=', 1 + $percent / 10,
            "$share % are asked";
        is $modes->{on}, keys %$asked, 'those for whom it is on';
        is $modes->{report}, $N - keys %$asked, 'the others are reported';

        my $again = status();
        is $again->{reported} - $count->{reported}, $modes->{report},
            'the counters tell them apart';

        is_deeply +(asked($N))[0], $asked, 'the same the next time';
        is_deeply [grep { !$asked->{$_} } keys %{ $before // {} }], [],
            'whoever was asked before is asked now' if $before;
        $before = $asked;
    };
}

subtest 'somebody who is asked' => sub {
    my ($address) = sort keys %$before;
    my $browser = $t->browser(undef, headers => ['X-Real-IP' => $address]);

    my $r = $browser->get('/');
    is $r->status, 302, 'is sent to the page';
    is answer($browser)->status, 303, 'answers';
    is $browser->get('/')->status, 200, 'and passes';

    # and from another address, for which the gate reports
    my ($other) = grep { !$before->{$_} }
        map { "10.$NETWORK.0.$_" } 1 .. 200;
    my $roaming = $t->browser(undef, headers => ['X-Real-IP' => $other]);
    $roaming->{jar} = undef;
    $roaming->jar;
    my $page = show($roaming);
    is answer($roaming, page => $page)->status, 303,
        'who has come to the page can answer, wherever they are by then';
};

subtest 'all' => sub {
    ok $t->reload(site(rollout(100))), 'a hundred in a hundred';
    my ($asked) = asked(200);
    is scalar(keys %$asked), 200, 'everybody';
};

subtest 'back' => sub {
    ok $t->reload(site(rollout(undef))), 'to report';
    my ($asked) = asked(200);
    is_deeply $asked, {}, 'and nobody is asked any more';
};

$t->done;
