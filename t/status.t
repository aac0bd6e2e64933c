use v5.36;

# The status location: what was done is counted, for all workers together,
# and told in two formats.

use lib 't/lib';
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);
$t->redis;
$t->publish(map { $_ => { version => 5, required => 5 } }
    qw(terms privacy cookies));

$t->nginx(flow_site(
    http   => 'consent_cache zone=c:1m; geo $qa { default 0; }',
    server => <<'CONF',
        consent_subject $http_x_test_account;
        consent_override allow=$qa;
        location = /status { consent_status; }
        location = /status.json { consent_status json; }
        location = /metrics { consent_status prometheus; }
        location /try/ { consent_gate report; alias %%ROOT%%/; }
CONF
), workers => 2);

sub told () { return $t->get('/status.json')->json }

ok wait_for(sub { told->{feed} eq 'up' }), 'the feed comes up';

# Entries count from a moment after that on.
my $emil = $t->browser('DE', headers => ['X-Test-Account' => 'emil']);
ok wait_for(sub { $emil->get('/'); told->{cache_lookups}{hit} }),
    'and the cache hits';
my $page = 0;
wait_for(sub { my $n = told->{decisions}{page}{missing};
    my $same = $n == $page; $page = $n; $same });
my $base = told;

my $anna = $t->browser('DE', headers => ['X-Test-Account' => 'anna']);
my $us = $t->browser('US');

$us->get('/') for 1 .. 3;
$us->get('/', 'X-Consent-Country' => 'DE');
$t->browser('DE')->get('/') for 1 .. 2;
$t->browser('DE')->get('/try/');
answer($anna);
$anna->get('/') for 1 .. 5;

# A request is counted when it has ended, which is after its answer came.
ok wait_for(sub {
    my $d = told->{decisions};
    ($d->{pass}{accepted} // 0) == 5 && ($d->{pass}{outside} // 0) == 4
        && $d->{page}{missing} - $base->{decisions}{page}{missing} == 3
}), 'requests are counted by their decision';

my $s = told;

is $s->{decisions}{pass}{outside}, 4, 'outside';
is $s->{decisions}{page}{missing} - $base->{decisions}{page}{missing}, 3,
    'gated';
is $s->{reported}, 1, 'one of them in report mode';
is $s->{overrides_ignored}, 1, 'an override that was not allowed';
is $s->{store_writes}{written}, 1, 'an answer';
$s->{cache_lookups}{$_} -= $base->{cache_lookups}{$_} for qw(hit miss);
is $s->{cache_lookups}{hit} + $s->{cache_lookups}{miss}, 5, 'each lookup';
# the first misses, and one more that comes before the feed tells of the answer
cmp_ok $s->{cache_lookups}{hit}, '>=', 3, 'of which most hit';
is_deeply $s->{documents}, { terms => 5, privacy => 5, cookies => 5 },
    'the documents in force';
is $s->{breaker}, 'closed', 'Redis is there';
cmp_ok $s->{cache_capacity}, '>', 8000, 'the cache has its places';

my $sum = 0;
$sum += $_ for values %{ $s->{store_latency_us} };
my $asked = 0;
$asked += $_ for values %{ $s->{store_lookups} };
is $sum, $asked, 'each question has its time';


# By the first two columns of the table, in both directions. A row in words of
# its own tells the members of each node.
subtest 'all of it is documented' => sub {
    my ($table) = slurp("$ConsentGate::Test::ROOT/docs/directives.md")
        =~ /^(\| JSON \| Prometheus,.*?)\n\n/ms;
    my (%json, %text);

    for (split /\n/, $table) {
        my ($first, $second) = /^\| (`.*?) \| (.*?) \|/ or next;
        $json{$_} = 1 for $first =~ /^`nodes`/ ? 'nodes' : $first =~ /`(\w+)`/g;
        $text{$_} = 1 for $second =~ /`(\w+)(?:\{[^}]*\})?`/g;
    }

    # What this configuration has not.
    delete $json{anonymizers};
    delete $text{$_} for qw(node anonymizers_build_timestamp_seconds);

    my @metrics = $t->get('/metrics')->body
        =~ /^# TYPE consent_gate_(\w+)/mg;

    is_deeply [sort keys $t->get('/status.json')->json->%*],
        [sort keys %json], 'JSON';
    is_deeply [sort @metrics], [sort keys %text], 'Prometheus';
};


subtest 'Prometheus' => sub {
    my $r = $t->get('/metrics');
    like $r->header('Content-Type'), qr{^text/plain; version=0\.0\.4},
        'the type';

    my (%type, %help, %seen, $family);

    for my $line (split /\n/, $r->body) {
        if ($line =~ /^# HELP (\w+) \S/) {
            ok !$help{$1}++, "$1 has one HELP";
        } elsif ($line =~ /^# TYPE (\w+) (counter|gauge|histogram)$/) {
            ok !$type{$1}, "$1 has one TYPE";
            $type{$family = $1} = $2;
            like $1, qr/_total$/, 'a counter is called so' if $2 eq 'counter';
        } else {
            like $line,
                qr/^consent_gate_\w+(\{\w+="[^"\\]*"(,\w+="[^"\\]*")*\})? [\d.]+$/,
                'a sample';
            my ($name) = $line =~ /^(\w+)/;
            $name =~ s/_(bucket|sum|count)$// if $type{$family} eq 'histogram';
            is $name, $family, 'stands in its family';
            ok !$seen{ ($line =~ /^(\S+)/)[0] }++, 'and is there once';
        }
    }

    is_deeply [sort keys %type], [sort keys %help], 'HELP and TYPE for each';
    like $r->body, qr/^consent_gate_decisions_total\{outcome="pass",reason="accepted"\} 5$/m,
        'the same numbers';
    unlike $r->body, qr/le="0.05"\} 0\n.*le="\+Inf"\} 0/s, 'a histogram';

    my $file = $t->write_file('metrics.txt', $r->body);
    is qx(promtool check metrics < $file 2>&1), '', 'promtool has no complaint';
    is $?, 0, 'and says so';
};

is $t->get('/status', Accept => 'text/plain')->header('Content-Type')
    =~ s/;.*//r, 'text/plain', 'a scraper gets text';
is $t->get('/status', Accept => '*/*')->header('Content-Type'),
    'application/json', 'others JSON';
is $t->post('/status', '')->status, 405, 'to be read only';

my $before = told->{decisions}{pass}{accepted};
$t->reload;
is told->{decisions}{pass}{accepted}, $before, 'a reload keeps the counts';

my $bad = $t->nginx_t(flow_site(server => 'location /s { consent_status xml; }'));
like ref $bad ? $bad->{output} // join('', %$bad) : $bad,
    qr/\[emerg\].*"xml" in "consent_status" directive/, 'a format that is none';

subtest 'without a cache' => sub {
    local $t->{ports}{''} = $t->port('direct');
    $t->nginx(flow_site(server => 'consent_subject $http_x_test_account;
        location = /metrics { consent_status prometheus; }'));
    my $of = sub ($what) {
        my ($n) = $t->get('/metrics')->body
            =~ /^consent_gate_store_lookup_duration_seconds_$what (\S+)$/m;
        return $n;
    };

    my $otto = $t->browser('DE', headers => ['X-Test-Account' => 'otto']);
    $otto->get('/') for 1 .. 20;
    ok wait_for(sub { $of->('count') == 20 }), 'each lookup is timed';
    cmp_ok $of->('sum'), '>', 0, 'it took some time';
    cmp_ok $of->('sum'), '<', 40, 'and not more than it may';
};

$t->done;
