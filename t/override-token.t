use v5.36;

# consent_override signed: a token makes a tester of whoever holds it, for as
# long as it says, on this site and nowhere else.

use lib 't/lib';
use Test::More;
use ConsentGate::Override qw(override_token);
use ConsentGate::Record qw(record_key);
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

my $DAY = 86_400;
my $OLD = '0123456789abcdef' x 2;

$t->redis;
$t->publish(
    terms   => { version => 9, required => 9, effective => time + 7 * $DAY,
        before => 5 },
    privacy => { version => 1 },
    cookies => { version => 1 },
);
$t->key_file('subject ' . '0123456789abcdef' x 4,
    'sign k1 ' . 'fedcba9876543210' x 4, "sign k0 $OLD");
$t->page('index.html', 'home');
$t->page('a.png', 'image');
$t->page('policy-update', 'page');
$t->nginx(<<'END');
    %%CONSENT%%
    consent_purpose ads;
    consent_subject $http_x_account;
    consent_explain on;
    consent_gate on;
    %%REALIP%%

    map $http_x_tester $tester { tester yes; default ""; }

    server {
        listen 127.0.0.1:%%PORT%%;
        root %%ROOT%%;
        consent_override signed;
        consent_remember_eea 180d;

        location / { }
        location /none/ { consent_override off; alias %%ROOT%%/; }
        location /report/ { consent_gate report; alias %%ROOT%%/; }
        location /ads/ { consent_require_purpose ads; alias %%ROOT%%/; }
        location /vpn/ { consent_anonymizer gate; alias %%ROOT%%/; }
        location /closed/ { consent_on_error closed; alias %%ROOT%%/; }
        location /echo/ { proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location /consent/ { consent_api; }
        location = /policy-update { default_type text/html; }
        location = /status { consent_status json; }
    }
    server {
        listen 127.0.0.1:%%PORT_allow%%;
        root %%ROOT%%;
        consent_override allow=$tester;
    }
    server {
        listen 127.0.0.1:%%PORT_shop%%;
        root %%ROOT%%;
        consent_realm shop;
        consent_override signed allow=$tester;
    }
    server {
        listen 127.0.0.1:%%PORT_up%%;
        consent_gate off;
        location / { add_header X-Uri $request_uri; return 200 "up"; }
    }
END

my $http = $t->http(headers => [Accept => 'text/html']);

sub ask ($uri, @headers) {
    return $http->get($uri, 'X-Real-IP' => address_of('US'), @headers);
}

sub told ($r) {
    my ($reason, $where, $source) = ($r->header('Consent-Gate') // '')
        =~ /reason=(\w+); country=(\S+); source=(\w+)/;
    return join ' ', $r->status, $reason, $where, $source;
}

sub by_header ($token, $uri = '/', @headers) {
    return ask($uri, 'X-Consent-Override' => $token, @headers);
}

sub ignored { return $http->get('/status')->json->{overrides_ignored} }


subtest 'a visit of a tester' => sub {
    my $remembered = sub { grep { exists $t->redis->hash($_)->{eea} }
        $t->redis->keys('gc:s:*') };
    my $browser = $t->browser('US');
    my @tester = ('X-Consent-Override' => override_token(country => 'DE',
        id => 'remember'), 'X-Account' => 'remembered');
    my $state = $browser->get('/consent/state', @tester)->json;
    $browser->post('/consent/accept', [token => $state->{token},
            document => $state->{missing}], @tester);
    is told($browser->get('/', @tester)), '200 accepted DE override',
        'is in the EEA';

    my @real = ('X-Account' => 'real', 'X-Real-IP' => address_of('DE'));
    $http->get('/', @real);
    ok wait_for(sub {
        exists $t->redis->hash(record_key('real'))->{eea};
    }), 'a real one that came later is remembered';
    is_deeply [$remembered->()], [record_key('real')],
        'and it alone';
};

subtest 'of a key that still verifies' => sub {
    is told(by_header(override_token(country => 'DE', key => $OLD,
        kid => 'k0'))), '302 missing DE override', 'is taken';
    is told(by_header(override_token(country => 'DE', key => $OLD))),
        '200 outside US address', 'under its own name only';
};

subtest 'in a header' => sub {
    my $token = override_token(country => 'DE', label => 'anna');
    my $r = by_header($token);

    is told($r), '302 missing DE override', 'a German';
    like $r->header('Consent-Override'),
        qr/^country=DE; label=anna; by=header; expires=\d+$/, 'says so';
    is_deeply [$r->headers('Cache-Control')], ['no-store'], 'for nobody else';
    is told(by_header($token, '/none/')), '200 outside US address',
        'not where there are no overrides';
};

subtest 'what is not taken' => sub {
    my $good = override_token(country => 'DE');
    my $before = ignored();
    my $n = 0;

    my %bad = (
        'an expired one' => override_token(country => 'DE', ttl => 0),
        'one that lives too long' =>
            override_token(country => 'DE', ttl => 31 * $DAY),
        'one of another key' =>
            override_token(country => 'DE', key => '00' x 32),
        'one of a key that is not there' =>
            override_token(country => 'DE', kid => 'k2'),
        'one of another realm' =>
            override_token(country => 'DE', realm => 'shop'),
        'one of another type' =>
            override_token(country => 'DE', type => 'link'),
        'one of another format' =>
            override_token(country => 'DE', format => 2),
        'one with a byte behind it' => $good . 'A',
        'a word' => 'DE',
        'a long word' => 'x' x 4000,
        'nothing but a dot' => '.',
    );

    for my $name (sort keys %bad) {
        my $r = by_header($bad{$name});
        is told($r), '200 outside US address', $name;
        is $r->header('Consent-Override'), undef, "$name: is not told of";
        $n++;
    }

    is told(ask('/', Cookie => "consent-override=$bad{'an expired one'}")),
        '200 outside US address', 'nor in a cookie';
    is told(ask("/?consent_override=$bad{'an expired one'}")),
        '200 outside US address', 'nor in the query';
    is ignored() - $before, $n + 2, 'all are counted';
};

subtest 'altered in every byte, and cut off' => sub {
    my $good = override_token(country => 'DE');
    my @requests;

    for my $i (0 .. length($good) - 1) {
        my $byte = substr $good, $i, 1;
        my $bad = $good;
        substr($bad, $i, 1) = $byte eq 'A' ? 'B' : 'A';
        push @requests, $bad, substr $good, 0, $i;
    }

    my ($wrong, $count) = (0, scalar @requests);
    for my $token (@requests) {
        $wrong++ if told(by_header($token)) ne '200 outside US address';
    }

    cmp_ok $count, '>', 100, 'enough of them';
    is $wrong, 0, 'none is taken';
    is told(by_header($good)), '302 missing DE override', 'but the real one';
};

subtest 'in the query of a page' => sub {
    my $token = override_token(country => 'DE', ttl => 600);
    my $r = ask("/?a=1&consent_override=$token&b=%20x");

    is $r->status, 302, 'is moved';
    is $r->location, '/?a=1&b=%20x', 'to the same page without it';
    is $r->header('Referrer-Policy'), 'no-referrer', 'tells nobody';
    is $r->header('Cache-Control'), 'no-store', 'is kept by nobody';
    is $r->header('Clear-Site-Data'), '"cache"', 'nor what is from before';

    my $line = $r->header('Set-Cookie');
    like $line, qr/^consent-override=\Q$token\E; /, 'into a cookie';
    like $line, qr/; HttpOnly/, 'that no script reads';
    my ($age) = $line =~ /; Max-Age=(\d+)/;
    ok $age > 590 && $age <= 600, 'for as long as the token';

    $r = ask('/', Cookie => "consent-override=$token");
    is told($r), '302 missing DE override', 'where it counts';
    like $r->header('Consent-Override'), qr/by=cookie/, 'as is told';

    is ask("/?consent_override=$token")->location, '/', 'alone';
    is ask("/index.html?x&consent_override=$token&")->location,
        '/index.html?x', 'with odd neighbours';
    is ask("/policy-update?return=/&consent_override=$token")->location,
        '/policy-update?return=/', 'to the page as well';
    is ask("/consent/state?consent_override=$token")->location,
        '/consent/state', 'and the API';

    $r = ask("//evil.example/?consent_override=$token");
    unlike $r->location // '', qr{^//}, 'to no other site';
};

subtest 'in the query of something else' => sub {
    my $token = override_token(country => 'DE');
    my $uri = "/?consent_override=$token";

    my $r = $t->http->get($uri, 'X-Real-IP' => address_of('US'),
        Accept => 'application/json');
    is told($r), '403 missing DE override', 'a script: counts at once';
    is $r->header('Set-Cookie'), undef, 'and is not moved';

    $r = $t->http->get("/a.png?consent_override=$token",
        'X-Real-IP' => address_of('US'), Accept => 'image/png');
    is told($r), '200 accepted DE override', 'an image';

    $r = $http->post($uri, [a => 1], 'X-Real-IP' => address_of('US'));
    is told($r), '403 missing DE override', 'a form';

    $r = ask("/report/?consent_override=$token");
    is told($r), '200 missing DE override', 'a gate that reports';
    is $r->header('Set-Cookie'), undef, 'sends no cookie';
    like $r->header('Consent-Override'), qr/country=DE/, 'but says so';
};

subtest 'to be rid of it' => sub {
    my $token = override_token(country => 'DE');
    my $r = ask('/?consent_override=off', Cookie =>
        "consent-override=$token");
    is $r->location, '/', 'by a word in the query';
    like $r->header('Set-Cookie'), qr/^consent-override=; .*Max-Age=0/,
        'that takes the cookie back';
    is told(ask('/?consent_override=off')), '200 outside US address',
        'who has none passes';
};

subtest 'a moment in time' => sub {
    is told(by_header(override_token(country => 'DE', record => 'notice'))),
        '200 notice DE override', 'before the new terms are in force';
    is told(by_header(override_token(country => 'DE', record => 'notice',
        offset => 6 * $DAY))), '200 notice DE override', 'a day before';

    my $r = by_header(override_token(country => 'DE', record => 'accepted',
        at => time - 5 * $DAY));
    is told($r), '200 accepted DE override', 'at a fixed moment';
    like $r->header('Consent-Override'), qr/time=\d{4}-\d\d-\d\dT/, 'told';

    my $browser = $t->browser('US');
    my $at = sub ($days) {
        return $browser->get('/', 'X-Consent-Override' => override_token(
            country => 'DE', offset => $days * $DAY, id => 'the same'));
    };
    my $state = $browser->get('/consent/state', 'X-Consent-Override' =>
        override_token(country => 'DE', id => 'the same'))->json;
    $browser->post('/consent/accept', [token => $state->{token},
            document => $state->{missing}], 'X-Consent-Override' =>
        override_token(country => 'DE', id => 'the same'));
    is told($at->(0)), '200 accepted DE override', 'accepted today';
    is told($at->(8)), '200 accepted DE override', 'and next week';
};

subtest 'a pretended record' => sub {
    my $in = sub ($record, $uri = '/', @more) {
        return told(by_header(override_token(country => 'DE',
            record => $record, @more), $uri));
    };

    is $in->('new'), '302 missing DE override', 'new';
    is $in->('accepted'), '200 accepted DE override', 'accepted';
    is $in->('notice'), '200 notice DE override', 'notice';
    is $in->('declined'), '302 declined DE override', 'declined';
    is $in->('outdated'), '302 missing DE override',
        'outdated, where a document has one version only';
    is $in->('minor'), '302 under_age DE override', 'minor';
    is $in->('failed'), '200 store_down DE override', 'failed, open';
    is $in->('failed', '/closed/'), '503 store_down DE override',
        'failed, closed';

    my $told = sub (%o) { return told(by_header(override_token(%o))) };
    is $told->(country => 'US', residence => 'FR'),
        '302 missing US override', 'lives inside';
    is $told->(country => 'US', history => 3), '302 missing US override',
        'was inside three days ago';
    is $told->(country => 'US', history => 300), '200 outside US override',
        'or three hundred';
    is $told->(country => 'DE', residence => 'US'), '302 missing DE override',
        'lives outside and is inside';

    is told(by_header(override_token(country => 'US', anonymizer => 'vpn'))),
        '200 outside US override', 'a VPN';
    is told(by_header(override_token(country => 'US', anonymizer => 'vpn'),
            '/vpn/')), '302 missing US override', 'where it is gated';
    is told(by_header(override_token(country => 'US', anonymizer => 'vpn',
            residence => 'US'), '/vpn/')), '200 outside US override',
        'but for who lives outside';

    is told(by_header(override_token(record => 'declined'))),
        '200 outside US override', 'a country that is not given is the real';
};

subtest 'from a pretended record on' => sub {
    my $browser = $t->browser('US');
    my @tester = ('X-Consent-Override' =>
        override_token(country => 'DE', record => 'declined'));

    is $browser->get('/', @tester)->status, 302, 'has declined';
    my $state = $browser->get('/consent/state', @tester)->json;
    is_deeply $state->{missing}, [qw(terms privacy cookies)], 'all of it';
    my $r = $browser->post('/consent/accept', [token => $state->{token},
            document => $state->{missing}], @tester);
    is $r->status, 303, 'and now accepts';
    is told($browser->get('/', @tester)), '200 accepted DE override',
        'and passes';

    is told($browser->get('/', 'X-Consent-Override' =>
        override_token(country => 'DE', record => 'declined'))),
        '302 declined DE override', 'another override begins anew';

    my @refused = ('X-Consent-Override' =>
        override_token(country => 'DE', record => 'refused'));
    is told($browser->get('/ads/', @refused)), '403 purpose DE override',
        'has accepted all but a purpose';
    $state = $browser->get('/consent/state', @refused)->json;
    $r = $browser->post('/consent/accept', [token => $state->{token},
            purpose => 'ads'], @refused);
    is $r->status, 303, 'and now grants it';
    is told($browser->get('/ads/', @refused)), '200 accepted DE override',
        'what was accepted before stays';
};

subtest 'nobody real is touched' => sub {
    my $browser = $t->browser('DE');
    my $state = $browser->get('/consent/state')->json;
    $browser->post('/consent/accept', [token => $state->{token},
            document => $state->{missing}]);
    is $browser->get('/')->status, 200, 'a German has accepted';
    my %before = map { $_ => $browser->jar->get($_) } $browser->jar->names;
    my %records = map { $_ => $t->redis->hash($_) } $t->redis->keys('gc:s:*');

    my @tester = ('X-Consent-Override' =>
        override_token(country => 'FR', record => 'outdated'));
    is $browser->get('/', @tester)->status, 302, 'and becomes a tester';
    $browser->get('/policy-update', @tester);
    $state = $browser->get('/consent/state', @tester)->json;
    my $r = $browser->post('/consent/decline', [token => $state->{token}],
        @tester);
    is $r->status, 303, 'who declines';
    for my $name (qw(consent-test consent-test-receipt)) {
        my ($cookie) = grep { /^$name=/ } $r->headers('Set-Cookie');
        my ($age) = ($cookie // '') =~ /Max-Age=(\d+)/;
        is $age, 86_400, "$name is kept for a day";
    }

    for my $name (sort keys %before) {
        is $browser->jar->get($name), $before{$name}, "cookie $name is left";
    }
    is_deeply { map { $_ => $t->redis->hash($_) } keys %records }, \%records,
        'and so are all records';
    is $browser->get('/')->status, 200, 'without the override all is as was';
};

subtest 'where a variable allows it' => sub {
    my $allow = $http->clone(port => $t->port('allow'));
    my $token = override_token(country => 'DE');
    my @from = ('X-Real-IP' => address_of('US'));

    is told($allow->get('/', @from, 'X-Consent-Override' => $token)),
        '200 outside US address', 'a token alone is nothing';
    is told($allow->get('/', @from, 'X-Consent-Override' => $token,
            'X-Tester' => 'tester')), '302 missing DE override',
        'but in the hands of a tester';

    my $shop = $http->clone(port => $t->port('shop'));
    is told($shop->get('/', @from, 'X-Consent-Override' =>
        override_token(country => 'DE', realm => 'shop'))),
        '302 missing DE override', 'both: a token';
    is told($shop->get('/', @from, 'X-Consent-Country' => 'DE')),
        '200 outside US address', 'both: words of somebody';
    is told($shop->get('/', @from, 'X-Consent-Country' => 'DE',
            'X-Tester' => 'tester')), '302 missing DE override',
        'both: words of a tester';
    is told(ask('/', 'X-Consent-Country' => 'DE', 'X-Tester' => 'tester')),
        '200 outside US address', 'signed only: no words';
};

$t->done;
