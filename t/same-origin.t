use v5.36;

# An answer is taken from a page of this site only.

use lib 't/lib';
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('policy-update.html', flow_page);
$t->nginx(flow_site);

# name, Host, headers, whether the answer is taken
my @CASES = (
    ['neither header', 'a.org', [], 1],

    ['the origin', 'a.org', [Origin => 'http://a.org'], 1],
    ['the origin over TLS that ends before us', 'a.org',
        [Origin => 'https://a.org'], 1],
    ['the origin with its port', 'a.org:8080',
        [Origin => 'http://a.org:8080'], 1],
    ['a default port that Host names', 'a.org:443',
        [Origin => 'https://a.org'], 1],
    ['a default port that Origin names', 'a.org',
        [Origin => 'http://a.org:80'], 1],
    ['the origin in another case', 'A.org', [Origin => 'http://a.ORG'], 1],
    ['an IPv6 address', '[::1]:8080', [Origin => 'http://[::1]:8080'], 1],

    ['another origin', 'a.org', [Origin => 'https://b.org'], 0],
    ['another port', 'a.org', [Origin => 'https://a.org:8443'], 0],
    ['a port that Host does not have', 'a.org:8443',
        [Origin => 'https://a.org'], 0],
    ['a subdomain', 'a.org', [Origin => 'https://b.a.org'], 0],
    ['the parent', 'b.a.org', [Origin => 'https://a.org'], 0],
    ['a name that ends like ours', 'a.org', [Origin => 'https://ba.org'], 0],
    ['a name that begins like ours', 'a.org',
        [Origin => 'https://a.org.evil'], 0],
    ['a user that looks like us', 'a.org', [Origin => 'https://a.org@b'], 0],
    ['a path', 'a.org', [Origin => 'https://a.org/'], 0],
    ['Origin: null', 'a.org', [Origin => 'null'], 0],
    ['Origin: null and a host of that name', 'null', [Origin => 'null'], 0],
    ['no scheme', 'a.org', [Origin => 'a.org'], 0],
    ['another scheme', 'a.org', [Origin => 'file://a.org'], 0],
    ['nothing but a scheme', 'a.org', [Origin => 'https://'], 0],
    ['two origins', 'a.org', [Origin => 'http://a.org http://b.org'], 0],
    ['a header for each', 'a.org',
        [Origin => 'http://a.org', Origin => 'http://b.org'], 0],

    ['same-origin', 'a.org', ['Sec-Fetch-Site' => 'same-origin'], 1],
    ['same-site', 'a.org', ['Sec-Fetch-Site' => 'same-site'], 0],
    ['cross-site', 'a.org', ['Sec-Fetch-Site' => 'cross-site'], 0],
    ['none', 'a.org', ['Sec-Fetch-Site' => 'none'], 0],
    ['a word that is not known', 'a.org', ['Sec-Fetch-Site' => 'x'], 0],
    ['same-origin and Origin', 'a.org', ['Sec-Fetch-Site' => 'same-origin',
        Origin => 'https://a.org'], 1],
    ['same-site and Origin', 'a.org', ['Sec-Fetch-Site' => 'same-site',
        Origin => 'https://a.org'], 0],
    ['cross-site and Origin', 'a.org', ['Sec-Fetch-Site' => 'cross-site',
        Origin => 'https://a.org'], 0],
);

for my $case (@CASES) {
    my ($name, $host, $headers, $taken) = @$case;
    my $browser = $t->browser('DE', host => $host);
    my $page = show($browser);

    my $r = answer($browser, page => $page, headers => $headers);
    my $is = $taken ? 'is taken' : 'is refused';

    is $r->status, $taken ? 303 : 403, "$name: a form $is";
    is fields($r)->{problem}, 'cross-site', "$name: the page says why"
        if !$taken;

    my $script = $t->script('DE', host => $host, jar => $browser->jar);
    my $state = $script->get('/consent/state')->json;
    $r = $script->post('/consent/decline',
        qq({"token":"$state->{token}","documents":[]}),
        'Content-Type' => 'application/json', @$headers);
    is $r->status, $taken ? 200 : 403, "$name: JSON $is";
    is $r->json->{type}, 'urn:consent-gate:cross-site', "$name: a problem"
        if !$taken;
}

is scalar(events($t->redis)), grep({ $_->[3] } @CASES),
    'what was refused is not on record';

$t->done;
