use v5.36;

# Two nginx on one Redis, each with a cache: what is said to one holds at the
# other at once, and what one has cached never outlives it.

use lib 't/lib';
use Test::More;
use Time::HiRes qw(time);
use ConsentGate::Flow;
use ConsentGate::Test;

my $TRIES = $ENV{CG_SOAK} ? 1000 : 200;

# The budget is 50 ms; a machine that runs other tests beside gets more.
my $LIMIT = $ENV{CG_SOAK} ? 0.050 : 0.250;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);
$t->redis;
$t->publish(map { $_ => { version => 5, required => 5 } }
    qw(terms privacy cookies));

my %site = (http => 'consent_cache zone=c:1m;',
    server => 'consent_subject $http_x_test_account;
               location = /status { consent_status json; }');

$t->nginx(flow_site(%site), workers => 2);
$t->nginx(flow_site(%site) =~ s/%%PORT%%/%%PORT_two%%/gr, workers => 2);

sub at ($port, $class = 'browser') {
    return $t->$class('DE', port => $port,
        headers => ['X-Test-Account' => 'anna']);
}

my $one = at($t->port);
my $two = at($t->port('two'), 'script');
my $fresh = sub { at($t->port('two'), 'script') };

sub reason ($r) {
    return ($r->header('Consent-Gate') // '') =~ /reason=(\w+)/ ? $1 : '';
}

for my $port ($t->port, $t->port('two')) {
    ok wait_for(sub { eval { $t->http(port => $port)->get('/status')
        ->json->{feed} eq 'up' } }), 'the feed is up';
}


# Seconds until the other nginx says so.
sub spread ($reason) {
    my $since = time;
    my ($n, $other) = (0, $two);

    while (time < $since + 5) {
        return time - $since if reason($other->get('/')) eq $reason;
        $n++;
    }

    return 5;
}

sub report ($what, @seconds) {
    @seconds = sort { $a <=> $b } @seconds;
    my ($p50, $p99) = map { $seconds[$_ * $#seconds] } 0.5, 0.99;

    diag sprintf '%s: p50 %.2f ms, p99 %.2f ms, most %.2f ms of %d tries',
        $what, map({ $_ * 1000 } $p50, $p99, $seconds[-1]), scalar @seconds;

    return cmp_ok $p99, '<=', $LIMIT, "$what holds everywhere at once";
}


my (@accepted, @declined);

for my $i (1 .. $TRIES) {
    my $state = $one->get('/consent/state')->json;
    my $what  = $i % 2 ? 'accept' : 'decline';

    if ($what eq 'decline') {

        # nothing is open any more; a new version is what can be declined
        $t->publish(terms => { version => 5 + $i, required => 5 + $i });
        wait_for(sub { $state = $one->get('/consent/state')->json;
            @{ $state->{missing} } });
    }

    my $r = answer_as_script($one, what => $what, state => $state);

    if ($r->status != 200) {
        fail "$what: " . $r->status . ' ' . $r->body;
        last;
    }

    if ($what eq 'accept') {
        push @accepted, spread('accepted');
    } else {
        push @declined, spread('declined');
    }
}

report('an acceptance', @accepted);
report('a refusal', @declined);

my @published;

for my $i (1 .. $TRIES) {
    my $version = 10_000 + $i;

    answer_as_script($one);
    spread('accepted');
    $t->publish(terms => { version => $version, required => $version });
    push @published, spread('outdated');
}

report('a new version', @published);

my $status = $t->http(port => $t->port('two'))->get('/status')->json;
cmp_ok $status->{cache_lookups}{hit}, '>', 0, 'the cache was in use';

$t->done;
