use v5.36;

# A form of another site is sent without the cookies of this one (SameSite=Lax),
# and its answer may set new ones: they must not take the place of a visitor
# who has answered.

use lib 't/lib';
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);
$t->nginx(flow_site(http => 'consent_purpose analytics;'));

my $FORM = 'application/x-www-form-urlencoded';

# What comes of a POST without cookies: status, problem, whether one is set.
sub posted ($path, $body, @headers) {
    my $http = $t->http(headers => ['X-Real-IP' => address_of('DE'),
        'Sec-Fetch-Mode' => 'navigate', 'Sec-Fetch-Dest' => 'document']);
    my $r = $http->post($path, $body, 'Content-Type' => $FORM, @headers);

    return [$r->status, fields($r)->{problem} // '',
        defined $r->cookie('consent') ? 'a cookie' : 'no cookie'];
}

my $visitor = $t->browser('DE');
my $token = show($visitor)->{form_token};
my @ELSEWHERE = (['Sec-Fetch-Site' => 'cross-site'],
    ['Sec-Fetch-Site' => 'same-site', Origin => 'https://b.localhost'],
    [Origin => 'https://evil.example'], [Origin => 'null'],
    ['Sec-Fetch-Site' => 'cross-site', Origin => 'null']);

for my $headers (@ELSEWHERE) {
    for my $what (qw(accept decline withdraw purposes residence age erase)) {
        is_deeply posted("/consent/$what", 'x=y', @$headers),
            [403, 'cross-site', 'no cookie'], "$what, @$headers";
    }

    is posted('/consent/accept', "token=$token", @$headers)->[2], 'no cookie',
        'nor with a token';
    is posted('/consent/accept', '%', @$headers)->[2], 'no cookie',
        'nor malformed';
    is posted('/consent/state', 'x=y', @$headers)->[2], 'no cookie', 'nor there';
    is posted('/policy-update', 'x=y', @$headers)->[2], 'no cookie',
        'nor by the page';
}

# Whose cookie has expired with the session goes on from the page.
for my $headers ([], ['Sec-Fetch-Site' => 'same-origin'],
    [Origin => 'http://localhost'])
{
    is_deeply posted('/consent/accept', "token=$token", Host => 'localhost',
        @$headers), [403, 'cookies', 'a cookie'], "of this site, @$headers";
}

# A link from there brings the cookies along.
is defined $visitor->get('/policy-update', 'Sec-Fetch-Site' => 'cross-site')
    ->cookie('consent'), '', 'a link does not change who it is';
ok defined $t->browser('DE')->get('/policy-update',
    'Sec-Fetch-Site' => 'cross-site')->cookie('consent'),
    'and makes somebody of who was nobody';

$t->done;
