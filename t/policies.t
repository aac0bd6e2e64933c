use v5.36;

# What is in force comes from Redis: version, required, effective and before;
# a change is enforced within ten seconds, without a reload.

use lib 't/lib';
use Test::More;
use Time::HiRes qw(time);
use ConsentGate::Flow;
use ConsentGate::Test;

my $t   = ConsentGate::Test->new;
my $now = int time;

my %STORE = (
    plain   => { version => 5, required => 5 },
    minor   => { version => 5, required => 3 },
    past    => { version => 5, required => 5, before => 2,
        effective => $now - 60 },
    coming  => { version => 5, required => 5, before => 2,
        effective => $now + 86_400 },
    new     => { version => 5, required => 5, effective => $now + 86_400 },
    soon    => { version => 5, required => 5, before => 2,
        effective => $now + 3 },
    largest => { version => 4294967295, required => 4294967295 },
    both    => { version => 9, required => 9 },
    raised  => { version => 1, required => 1 },
    shown   => { version => 1, required => 1 },
    spoilt  => { version => 2, required => 2 },
    gone    => { version => 2, required => 2 },
    later   => { version => 2, required => 2 },
);

# In the configuration only, or in both.
my %STATIC = (
    static => 'version=3 required=3',
    both   => 'version=4 required=4',
    broken => 'version=6 required=6',
    silent => '',
);

my @DOCS = sort keys %{ { %STORE, %STATIC } };     # sixteen: no more

$t->page('policy-update.html', flow_page);

my $redis = $t->redis;

sub documents (@names) {
    return join '', map { "consent_document $_ kind=accept "
        . ($STATIC{$_} // '') . ";\n" } @names;
}

# A location for each document, that requires it alone.
sub site (@names) {
    my $consent = ConsentGate::Test::consent_block()
        =~ s/consent_document.*?;\n//gsr . documents(@names);

    return flow_site(server => 'consent_subject $http_x_test_account;'
        . join '', map { "location /$_/ { consent_require $_; }\n" } @names)
        =~ s/%%CONSENT%%/$consent/r;
}

# The outcome and reason for an account that has accepted a version.
sub decision ($doc, $accepted, %options) {
    my $name = "v$accepted";
    my $key  = key_of(account => $name);

    $redis->cmd('HSET', $key->{record}, 'k', $key->{check}, 'rev', 1,
        "d.$doc", $accepted) if $accepted ne 0;

    my $r = $t->browser('DE', headers => ['X-Test-Account' => $name], %options)
        ->get("/$doc/");

    return $r->header('Consent-Gate') =~ /^(\w+); reason=(\w+)/
        ? "$1 $2" : 'no header';
}


$t->publish(%STORE);
$redis->cmd('HSET', 'gc:p', 'broken', 'version=7 required=8');
$t->nginx(site(@DOCS));

my @CASES = (
    # document, accepted, outcome and reason
    ['plain',   0,   'page missing'],
    ['plain',   4,   'page outdated'],
    ['plain',   5,   'pass accepted'],
    ['plain',   6,   'pass accepted'],
    ['plain',   '-', 'page declined'],
    ['minor',   2,   'page outdated'],
    ['minor',   3,   'notice notice'],
    ['minor',   4,   'notice notice'],
    ['minor',   5,   'pass accepted'],
    ['past',    2,   'page outdated'],
    ['past',    4,   'page outdated'],
    ['past',    5,   'pass accepted'],
    ['coming',  0,   'page missing'],
    ['coming',  1,   'page outdated'],
    ['coming',  2,   'notice notice'],
    ['coming',  4,   'notice notice'],
    ['coming',  5,   'pass accepted'],
    ['new',     0,   'notice notice'],
    ['new',     4,   'notice notice'],
    ['new',     5,   'pass accepted'],
    ['largest', 4294967294, 'page outdated'],
    ['largest', 4294967295, 'pass accepted'],
    ['static',  2,   'page outdated'],
    ['static',  3,   'pass accepted'],
    ['both',    4,   'page outdated'],
    ['both',    9,   'pass accepted'],
    ['broken',  5,   'page outdated'],
    ['broken',  6,   'pass accepted'],
);

for my $case (@CASES) {
    my ($doc, $accepted, $expected) = @$case;
    is decision($doc, $accepted), $expected, "$doc: $accepted accepted";
}

like decision('silent', 0), qr/^pass /, 'what nobody knows is not asked for';

is(() = $t->log =~ /policy "broken" is malformed/g, 1,
    'one line for the malformed one');
like $t->log,
    qr/policy "broken" is malformed: .*; the configured one is in force/,
    'what is wrong, and what counts';

ok wait_for(sub { decision('soon', 2) eq 'page outdated' }, 10),
    'an announced version is enforced';
cmp_ok time, '>=', $now + 3, 'and not before its second';


subtest 'changed without a reload' => sub {
    my $browser = $t->browser('DE', headers => ['X-Test-Account' => 'reader']);
    my $page = show($browser, 'need=shown&return=/shown/');
    my $from = $t->log_size;
    my $began = time;

    $t->publish(raised => { version => 2, required => 2 },
        shown => { version => 2, required => 2 },
        later => { version => 3, required => 3, before => 2,
            effective => $now + 86_400 });
    $redis->cmd('HSET', 'gc:p', 'spoilt', 'version=three required=3');
    $redis->cmd('HDEL', 'gc:p', 'gone');

    ok wait_for(sub { decision('raised', 1) eq 'page outdated' }, 12),
        'a higher version is enforced';
    cmp_ok time - $began, '<=', 11, 'within ten seconds';

    is decision('later', 2), 'notice notice', 'another is announced';
    is decision('spoilt', 1), 'page outdated', 'a malformed one: the last';
    is decision('spoilt', 2), 'pass accepted', 'good one stays in force';
    is decision('gone', 1), 'page outdated', 'a deleted one';
    is decision('gone', 2), 'pass accepted', 'as well';

    my $log = substr $t->log, $from;
    is(() = $log =~ /policy "spoilt" is malformed/g, 1, 'one line of that');
    is(() = $log =~ /policy "gone" is gone/g, 1, 'and one of this');

    my $r = answer($browser, page => $page);
    is $r->status, 409, 'an answer to what is not in force any more';
    my $again = fields($r);
    is $again->{problem}, 'changed', 'the page again, which says why';
    is $again->{return}, '/shown/', 'and knows where to go';
    is_deeply $redis->hash(key_of(account => 'reader')->{record}), {},
        'nothing is written';

    is answer($browser, page => $again)->status, 303, 'the new form is taken';
    is $redis->hash(key_of(account => 'reader')->{record})->{'d.shown'}, 2,
        'for the new version';
};

subtest 'kept over a reload' => sub {
    ok $t->reload, 'is accepted';
    is decision('gone', 1), 'page outdated', 'the last good one';
    is decision('spoilt', 1), 'page outdated', 'stays in force';
};

subtest 'nothing in Redis' => sub {
    $redis->cmd('FLUSHALL');
    my $other = sub ($text, $name) {
        $t->nginx($text =~ s/%%PORT%%/%%PORT_$name%%/r);
        return port => $t->port($name);
    };

    my @static = $other->(site(qw(static)), 'static');
    is decision('static', 2, @static), 'page outdated', 'the configured';
    is decision('static', 3, @static), 'pass accepted', 'ones are in force';
    is decision('static', 0, @static), 'page missing', 'for all';

    my @none = $other->(site(qw(silent)), 'none');
    is decision('silent', 0, @none), 'pass store_down', 'nor there: no answer';

    @none = $other->(site(qw(silent))
        =~ s/consent_gate on;/$& consent_on_error closed;/r, 'closed');
    is decision('silent', 0, @none), 'unavailable store_down',
        'which may mean closed';
};

$t->done;
