use v5.36;

# The receipt cookie stands in for the record while Redis is away, and only
# for the one it was made for.

use lib 't/lib';
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);
$t->redis;
$t->publish(
    terms   => { version => 5, required => 5 },
    privacy => { version => 7, required => 7 },
    cookies => { version => 3, required => 3 },
);

$t->nginx(flow_site(
    http   => 'consent_purpose analytics;',
    server => <<'CONF',
        consent_subject $http_x_test_account;
        consent_on_error closed;
        location /ads/ { consent_require_purpose analytics; alias %%ROOT%%/; }
CONF
));

my $redis = $t->redis;

sub reason ($r) { return $r->header('Consent-Gate') =~ /reason=(\w+)/ ? $1 : '' }

sub accepted ($account) {
    my $c = $t->browser('DE', headers => ['X-Test-Account' => $account]);
    my $state = $c->get('/consent/state')->json;
    my $r = $c->post('/consent/accept', { token => $state->{token},
        document => [qw(terms privacy cookies)] });
    is $r->status, 303, "$account accepts";
    return $c;
}

my $anna = accepted('anna');
my $emil = accepted('emil');
my $new = $t->browser('DE', headers => ['X-Test-Account' => 'new']);

my $dora = $t->browser('DE', headers => ['X-Test-Account' => 'dora']);
is answer($dora, what => 'decline')->status, 303, 'dora declines';
is reason($dora->get('/')), 'declined', 'and is not let in';

my ($receipt) = map { /^(consent-receipt=[^;]*)/ ? $1 : () }
    map { $_->headers('Set-Cookie') }
    $anna->post('/consent/accept', { token =>
        $anna->get('/consent/state')->json->{token} });
ok $receipt, 'an answer brings a receipt';

is reason($anna->get('/')), 'accepted', 'Redis is there: by the record';

$redis->stop;

subtest 'while Redis is away' => sub {
    my $r = $anna->get('/');
    is $r->status, 200, 'who has a receipt passes';
    is reason($r), 'receipt', 'by the receipt';

    is $new->get('/')->status, 503, 'who has none does not';
    is reason($dora->get('/')), 'declined', 'a no is a no';
    is $anna->get('/ads/index.html')->status, 403,
        'a purpose that was not granted is refused';

    my $thief = $t->browser('DE', headers => ['X-Test-Account' => 'new',
        Cookie => $receipt]);
    is $thief->get('/')->status, 503, 'another account cannot use it';

    for my $i (map { $_ * 7 } 0 .. 20) {
        my $bad = $receipt;
        my $at = length('consent-receipt=') + $i;
        last if $at >= length $bad;
        substr($bad, $at, 1) =~ tr/A-Za-z0-9_.-/B-ZAb-za1-90.A_/;
        my $c = $t->browser('DE', headers => ['X-Test-Account' => 'anna',
            Cookie => $bad]);
        is $c->get('/')->status, 503, "altered at $i";
    }
};

$t->allow_log(qr/connect\(\) failed/);
$redis->start;


# it has kept nothing: who counts as having accepted now would be a receipt's
ok wait_for(sub { reason($emil->get('/')) eq 'missing' }),
    'the record counts again, and not the receipt';

$emil = accepted('emil');

subtest 'an old receipt after a new version' => sub {
    $t->publish(terms => { version => 6, required => 6 });
    ok wait_for(sub { $emil->get('/')->status == 302 }, 15), 'version 6';
    $redis->stop;
    my $r = $emil->get('/');
    is $r->status, 302, 'asks again, Redis or not';
    is reason($r), 'outdated', 'for the receipt is of version 5';
};

$t->done;
