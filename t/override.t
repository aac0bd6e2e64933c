use v5.36;

# consent_override: a tester is where they say, and is nobody's account.

use lib 't/lib';
use Test::More;
use ConsentGate::Record qw(put_record record_key);
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

my %ACCEPTED = map { ("d.$_" => 1) } qw(terms privacy cookies);

put_record($t->redis, 'accepted', \%ACCEPTED);
put_record($t->redis, 'american', { res => 'US' });

$t->page('index.html', 'home');
$t->page('policy-update', 'page');
$t->nginx(<<'END');
    %%CONSENT%%
    consent_subject $http_x_account;
    consent_explain on;
    consent_gate on;
    %%REALIP%%

    map $http_x_tester $tester { tester yes; nobody 0; default ""; }

    server {
        listen 127.0.0.1:%%PORT%%;
        root %%ROOT%%;
        consent_override allow=$tester;

        location / { }
        location /none/ { consent_override off; alias %%ROOT%%/; }
        location /strict/ { consent_unknown_country gate; alias %%ROOT%%/; }
        location /variable/ {
            consent_country $http_x_cdn_country;
            alias %%ROOT%%/;
        }
        location /consent/ { consent_api; }
        location = /policy-update { default_type text/html; }
    }
    server {
        listen 127.0.0.1:%%PORT_without%%;
        root %%ROOT%%;
    }
END

my $http = $t->http(headers => [Accept => 'text/html']);


sub ask ($from, $uri, @headers) {
    return $http->get($uri, 'X-Real-IP' => address_of($from), @headers);
}


sub told ($from, $country, $uri = '/', @headers) {
    my $r = ask($from, $uri, 'X-Tester' => 'tester',
        defined $country ? ('X-Consent-Country' => $country) : (), @headers);
    my ($reason, $where, $source) = $r->header('Consent-Gate')
        =~ /reason=(\w+); country=(\S+); source=(\w+)/;
    return join ' ', $r->status, $reason, $where, $source;
}


subtest 'allowed' => sub {
    is told('US', 'DE'), '302 missing DE override', 'to Germany';
    is told('DE', 'US'), '200 outside US override', 'to America';
    is told('DE', 'IS'), '302 missing IS override', 'to Iceland';
    is told('DE', 'gb'), '200 outside GB override', 'in lower case';
    is told('DE', 'UK'), '200 outside GB override', 'as people write it';
    is told('US', 'EL'), '302 missing GR override', 'for Greece too';
    is told('none', 'DE'), '302 missing DE override', 'from nowhere';
    is told('US', 'DE', '/variable/', 'X-CDN-Country' => 'US'),
        '302 missing DE override', 'past a variable';
    is told('DE', undef), '302 missing DE address', 'and not, without it';
};

subtest 'not allowed' => sub {
    for my $who ([], ['X-Tester' => 'else'], ['X-Tester' => 'nobody'],
        ['X-Tester' => ''])
    {
        my $r = ask('DE', '/', @$who, 'X-Consent-Country' => 'US');
        is $r->status, 302, "@$who";
        like $r->header('Consent-Gate'), qr/country=DE; source=address/,
            'is where they are';
    }

    is ask('DE', '/none/', 'X-Tester' => 'tester',
        'X-Consent-Country' => 'US')->status, 302, 'in another location';

    my $r = $http->clone(port => $t->port('without'))->get('/',
        'X-Real-IP' => address_of('DE'), 'X-Tester' => 'tester',
        'X-Consent-Country' => 'US');
    is $r->status, 302, 'on another server';
};

subtest 'a value that is no country' => sub {
    for my $value ('', 'XX', 'ZZ', 'D', 'DEU', 'Germany', 'DE,US', '??',
        '%', 'x' x 3000)
    {
        is told('DE', $value), '302 missing DE address',
            "'" . substr($value, 0, 10) . "' is ignored";
    }
};

subtest 'a tester is no account' => sub {
    is told('DE', 'DE', '/', 'X-Account' => 'accepted'),
        '302 missing DE override', 'has not what the account has accepted';
    is told('US', 'US', '/', 'X-Account' => 'accepted'),
        '200 outside US override', 'nor elsewhere';
    is told('US', 'DE', '/', 'X-Account' => 'american'),
        '302 missing DE override', 'nor its residence';

    put_record($t->redis, 'aaccepted', \%ACCEPTED, kind => 'test');
    is told('US', 'DE', '/', 'X-Account' => 'accepted'),
        '200 accepted DE override', 'but a record of its own';
    is told('DE', undef, '/', 'X-Account' => 'accepted'),
        '200 accepted DE address', 'beside that of the account';
};

subtest 'what a tester accepts' => sub {
    my @tester = ('X-Tester' => 'tester', 'X-Consent-Country' => 'DE',
        'X-Account' => 'bob');
    my $test = record_key('abob', kind => 'test');
    my $real = record_key('bob');

    my $token = ask('US', '/consent/state', @tester)->json->{token};
    my @form = (token => $token, document => [qw(terms privacy cookies)]);

    my $r = $http->post('/consent/accept', [@form],
        'X-Real-IP' => address_of('US'), 'X-Account' => 'bob');
    isnt $r->status, 303, 'is not accepted for the account';
    is_deeply $t->redis->hash($real), {}, 'which has no record';

    $r = $http->post('/consent/accept', [@form],
        'X-Real-IP' => address_of('US'), @tester);
    is $r->status, 303, 'is accepted for the tester';
    is_deeply $t->redis->hash($real), {}, 'and for nobody else';
    is $t->redis->hash($test)->{'d.terms'}, 1, 'in a record of its own';

    my $ttl = $t->redis->cmd('TTL', $test);
    cmp_ok $ttl, '<=', 86_400, 'for a day';
    cmp_ok $ttl, '>', 0, 'and not for ever';

    is ask('US', '/', @tester)->status, 200, 'passes now';
    is ask('DE', '/', 'X-Account' => 'bob')->status, 302,
        'and the account does not';
};

subtest 'a visitor and a tester' => sub {
    my $browser = $t->browser('US');
    my @tester = ('X-Tester' => 'tester', 'X-Consent-Country' => 'DE');

    my $token = $browser->get('/consent/state', @tester)->json->{token};
    my $r = $browser->post('/consent/accept', [token => $token,
        document => [qw(terms privacy cookies)]], @tester);
    is $r->status, 303, 'the tester accepts';
    is $browser->get('/', @tester)->status, 200, 'and passes';

    is $browser->jar->get('consent'), undef, 'in a cookie of its own';
    is ask('DE', '/', Cookie => 'consent='
            . $browser->jar->get('consent-test'))->status,
        302, 'which is nobody as a visitor';
};

$t->done;
