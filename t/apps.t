use v5.36;

# docs/apps.md: its server and its examples, against a real gate.

use lib 't/lib';
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;
my $docs = "$ConsentGate::Test::ROOT/docs";

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);

my ($app) = slurp("$docs/apps.md") =~ /^```nginx\n(map .*?)^```$/ms;
my $port = $t->port('app');
ok $app =~ s/127\.0\.0\.1:8081/127.0.0.1:$port/, 'the server of the recipe';

$t->nginx(flow_site(http => "consent_purpose analytics;\n$app",
    server => 'consent_subject $http_x_test_account;'));

my $redis = $t->redis;
my $base = "http://127.0.0.1:$port/consent";
my %program = (
    Python => "python3 '$docs/examples/accept.py'",
    Node   => "node '$docs/examples/accept.mjs'",
);

sub example ($language, @words) {
    my $output = `$program{$language} $base @words 2>&1`;
    return ($output, $? >> 8);
}

for my $language (sort keys %program) {
    subtest $language => sub {
        my $account = lc $language;
        my $browser = $t->browser('DE', headers =>
            ['X-Test-Account' => $account]);
        my $address = address_of('DE');
        $redis->cmd('FLUSHALL');

        is $browser->get('/')->status, 302, 'the gate asks at first';

        my ($output, $exit) = example($language, $account, $address,
            'analytics');
        is $exit, 0, 'the example works';
        is $output, "open: terms 1\nopen: privacy 1\nopen: cookies 1\n"
            . "written rev 1\n", 'and says what it did';

        my $record = $redis->hash(key_of(account => $account)->{record});
        is $record->{'d.terms'}, 1, 'the account has accepted';
        is $record->{'p.analytics'}, 1, 'and granted';
        my ($event) = events($redis);
        is $event->{method}, 'api', 'through the API';
        is $event->{country}, 'DE', 'from where the visitor is';
        is $event->{mac}, event_mac($event->{body}), 'with its proof';
        is $browser->get('/')->body, 'home', 'the gate lets it through';

        ($output, $exit) = example($language, $account, $address);
        is $output, "unchanged rev 1\n", 'there is nothing more to do';
        is scalar(events($redis)), 1, 'nor is it done';
    };
}

subtest 'the door of the application' => sub {
    is $t->http(port => $port)->get('/')->status, 404, 'opens the API alone';
    my $state = $t->http(port => $port)->get('/consent/state');
    is $state->status, 200, 'without an account it is a visitor';
};

subtest 'when it is refused' => sub {
    $redis->cmd('FLUSHALL');

    for my $language (sort keys %program) {
        my ($output, $exit) = example($language, "no-$language",
            address_of('DE'), 'unknown-purpose');
        is $exit, 1, "$language fails";
        like $output, qr/^refused: not-shown$/m, 'and says why';
    }
    is_deeply [$redis->keys('gc:a:*')], [], 'nothing is written';
};

$t->done;
