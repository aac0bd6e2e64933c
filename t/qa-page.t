use v5.36;

# consent_qa: what the gate would do and why, for testers and nobody else; and
# an override for this browser, in a real one and without a script.

use lib 't/lib';
use Test::More;
use ConsentGate::Chromium;
use ConsentGate::Override qw(override_token);
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

my $DAY = 86_400;

$t->redis;
$t->publish(
    terms   => { version => 9, required => 9, effective => time + 7 * $DAY,
        before => 5 },
    privacy => { version => 4 },
    cookies => { version => 3 },
);

$t->page('index.html', '<title>Home</title>home');
$t->page('policy-update', '<title>Policy</title>page');
$t->nginx(<<'END');
    %%CONSENT%%
    consent_purpose ads;
    consent_gate on;
    %%REALIP%%

    map $http_x_tester $tester { tester yes; default ""; }
    map $host $country_of_host { ~^germany DE; default US; }

    server {
        listen 127.0.0.1:%%PORT%%;
        root %%ROOT%%;
        consent_override allow=$tester;
        consent_ask_age off;
        consent_remember_eea 180d;
        location / { }
        location = /qa { consent_qa; }
        location = /qa/strict {
            consent_anonymizer gate;
            consent_territory all;
            consent_require_purpose ads;
            consent_on_error closed;
            consent_gate off;
            consent_qa;
        }
        location /shop/ {
            consent_require_purpose ads;
            location = /shop/qa { consent_qa; }
        }
        location = /index.html { }
        location = /policy-update { default_type text/html; }
        location /consent/ { consent_api; }
        location = /status { consent_status json; }
    }
    server {
        listen 127.0.0.1:%%PORT_signed%%;
        root %%ROOT%%;
        consent_override signed;
        location / { }
        location = /qa { consent_qa; }
    }
    server {
        listen 127.0.0.1:%%PORT_browser%%;
        root %%ROOT%%;
        consent_country $country_of_host;
        consent_override signed allow=1$tester;
        location / { }
        location = /qa { consent_qa; }
        location = /policy-update { default_type text/html; }
    }
END

my $http = $t->http(headers => [Accept => 'text/html']);

my @TESTER = ('X-Real-IP' => address_of('US'), 'X-Tester' => 'tester');

sub page ($query = '', @headers) {
    return $http->get("/qa$query", @TESTER, @headers);
}

sub json ($query, $uri = '/qa') {
    return $http->get("$uri?preview=1&format=json&$query", @TESTER)->json;
}

sub navigation ($query, $uri = '/qa') {
    my $n = json($query, $uri)->{classes}{navigation};
    return "$n->{action} $n->{decision} $n->{reason}";
}


subtest 'for testers only' => sub {
    for my $who ([], ['X-Tester' => 'else']) {
        my $r = $http->get('/qa?preview=1&country=DE', @$who);
        is $r->status, 403, 'nobody else sees it';
        unlike $r->body, qr/<form/, 'nor a part of it';
        is $r->header('Cache-Control'), 'no-store', 'nor keeps that';
        is $http->post('/qa', [country => 'DE'], @$who)->status, 403,
            'nor sets one';
    }

    is page()->status, 200, 'a tester does';
    is $http->request('PUT', '/qa', \@TESTER)->status, 405, 'other methods';
    is $http->request('OPTIONS', '/qa', \@TESTER)->status, 405, 'OPTIONS';
    is $http->head('/qa', @TESTER)->status, 200, 'HEAD';
};

subtest 'the page' => sub {
    my $r = page('?preview=1&country=DE&record=declined&class=api');

    is $r->header('Content-Type'), 'text/html; charset=utf-8', 'is HTML';
    is_deeply [$r->headers('Cache-Control')], ['no-store'], 'of this moment';
    is $r->header('Consent-Override'),
        'country=DE; record=declined; by=preview', 'says what it looks at';
    is $r->header('Set-Cookie'), undef, 'and sets nothing';
    unlike $r->body, qr/<script|\son\w+=/i, 'has no script';
    like $r->body, qr/<option value="DE" selected>Germany \(DE\)/,
        'shows what was chosen';
    like $r->body, qr/302 to the page/, 'what a navigation would meet';
    like $r->body, qr{<tr class="on"><th scope="row">Is a required document},
        'and why';
    like $r->body, qr{nginx\.conf:\d+</code>}, 'and where that stands';
    like $r->body, qr{class <code>api</code>}, 'for the class asked for';
};

subtest 'what is echoed is escaped' => sub {
    my $evil = '%22%3E%3Cscript%3Ealert(1)%3C/script%3E';

    for my $field (qw(country anonymizer time record residence history label
        class ttl path))
    {
        my $r = page("?preview=1&$field=$evil&format=html");
        unlike $r->body, qr/<script/, $field;
    }

    my $r = $http->get("/qa?preview=1&country=DE&path=/$evil", @TESTER,
        Host => 'a"><script>b');
    unlike $r->body, qr/<script/, 'the host';
};

subtest 'each outcome, in advance' => sub {
    is navigation('country=US'), 'pass pass outside', 'an American';
    is navigation('country=DE'), 'redirect page missing', 'a German';
    is navigation('country=uk'), 'pass pass outside', 'in lower case';
    is navigation('country=unknown'), 'pass pass unknown_country', 'unknown';
    is navigation('country=DE&record=new'), 'redirect page missing', 'new';
    is navigation('country=DE&record=accepted'), 'pass pass accepted',
        'accepted';
    is navigation('country=DE&record=notice'), 'pass notice notice', 'notice';
    is navigation('country=DE&record=outdated'), 'redirect page outdated',
        'outdated';
    is navigation('country=DE&record=declined'), 'redirect page declined',
        'declined';
    is navigation('country=DE&record=minor'), 'redirect age_page under_age',
        'minor';
    is navigation('country=DE&record=failed'), 'pass pass store_down',
        'the store is down';
    is navigation('country=US&history=3'), 'redirect page missing',
        'was here three days ago';
    is navigation('country=US&history=300'), 'pass pass outside',
        'or three hundred';
    is navigation('country=US&residence=SE'), 'redirect page missing',
        'lives inside';
    is navigation('record=accepted'), 'pass pass outside', 'from here';

    is navigation('country=DE&record=failed', '/qa/strict'),
        'html_unavailable unavailable store_down', 'closed';
    is navigation('country=DE&record=refused', '/qa/strict'),
        'html refuse purpose', 'a purpose';
    is navigation('country=US', '/qa/strict'), 'redirect page missing',
        'everywhere';

    my $other = json('country=DE')->{classes};
    is $other->{unsafe}{action}, 'html', 'a form';
    is $other->{api}{action}, 'problem', 'a script';
    is $other->{subresource}{action}, 'pass', 'an image';
};

subtest 'the trace' => sub {
    my $j = json('country=US&anonymizer=vpn', '/qa/strict');

    is $j->{override}, 'country=US; anonymizer=vpn; by=preview', 'of whom';
    is $j->{class}, 'navigation', 'of which class';
    is_deeply [map { $_->{step} } @{ $j->{steps} }],
        [qw(free place subresource store age documents cross_site notice
            purposes)], 'the questions';
    is_deeply [map { "$_->{step} $_->{answer}" }
            grep { $_->{decides} } @{ $j->{steps} }], ['documents yes'],
        'the one that decides';
    is_deeply { map { $_->{source} => $_->{says} } @{ $j->{evidence} } },
        { address => 'inside', residence => 'nothing', history => 'nothing',
            anonymizer => 'inside', unknown => 'nothing' }, 'the evidence';
    is_deeply [map { $_->{source} } grep { $_->{counts} }
        @{ $j->{evidence} }], ['address'], 'that counts';
    is $j->{decided}{directive}, 'consent_require', 'by which directive';

    is $j->{place}{from}, 'override', 'the country: an override';
    like $j->{place}{database}{path}, qr{\.mmdb$}, 'the database';
    cmp_ok $j->{place}{database}{built}, '>', 1e9, 'and when it was built';
    like $j->{place}{us}, qr/^\d+$/, 'how long it took';
    is $j->{record}{from}, 'nowhere', 'no record';

    my ($line) = grep { $_->{directive} eq 'consent_territory' }
        @{ $j->{config} };
    my @conf = split /\n/, slurp($line->{file});
    like $conf[$line->{line} - 1], qr/consent_territory all;/,
        'a directive of the location, by file and line';
    ($line) = grep { $_->{directive} eq 'consent_override' }
        @{ $j->{config} };
    like $conf[$line->{line} - 1], qr/consent_override allow=/,
        'one of the server';
    ($line) = grep { $_->{directive} eq 'consent_ask_age' } @{ $j->{config} };
    like $conf[$line->{line} - 1], qr/consent_ask_age off/,
        'one that only a server has';
    ($line) = grep { $_->{directive} eq 'consent_geoip' } @{ $j->{config} };
    like $conf[$line->{line} - 1], qr/consent_geoip/, 'one of all';
    ($line) = grep { $_->{directive} eq 'consent_exempt' } @{ $j->{config} };
    is $line->{line}, undef, 'one that is not there';

    $j = json('', '/qa');
    is $j->{place}{from}, 'database', 'nothing overridden: the database';
    is $j->{override}, '', 'and no override';
    is $http->clone(port => $t->port('browser'))->get('/qa?format=json',
        Host => 'germany.test', Cookie => 'consent-override='
            . override_token(history => 0))->json->{place}{from}, 'variable',
        'a variable';
    $j = json('country=DE&record=outdated');
    is $j->{record}{from}, 'override', 'a pretended record';
    is_deeply [map { "$_->{name} $_->{enforced} $_->{accepted}" }
        @{ $j->{record}{documents} }],
        ['terms 5 4', 'privacy 4 3', 'cookies 3 2'], 'as it is pretended';
    is json('country=DE&record=accepted&time=%2B8d')
        ->{record}{documents}[0]{enforced}, 9, 'and next week';
    is json('country=DE&class=subresource')->{class}, 'subresource',
        'another class';
};

subtest 'settings of elsewhere' => sub {
    my $query = 'country=DE&record=refused';

    is navigation($query), 'pass pass accepted', 'here it passes';
    is json($query)->{location}, '/qa', 'the JSON says where that is';
    is navigation($query, '/shop/qa'), 'html refuse purpose',
        'and in the shop it is refused';
    is json($query, '/shop/qa')->{location}, '/shop/qa', 'which it says, too';
    like page("?preview=1&$query")->body,
        qr{<caption>As <code>.*, by the settings of location <code>/qa</code>},
        'and so does the page';
};

subtest 'what is wrong' => sub {
    for my $query ('country=XX', 'time=soon', 'record=good', 'history=-1',
        'anonymizer=none', 'residence=Germany', 'label=a+b')
    {
        my $r = $http->get("/qa?preview=1&format=json&$query",
            @TESTER);
        is $r->status, 422, "$query: is refused"
            or diag $r->body;
        like $r->json->{error}, qr/^not /, "$query: and told";
    }
    my $r = $http->get('/qa?preview=1&format=json&country=DE&ttl=1y',
        @TESTER);
    is $r->status, 422, 'a ttl';
    like $r->json->{error}, qr/token may live/, 'is told';
    is $http->get('/qa?preview=1&%zz&country=%', @TESTER)->status, 200,
        'a query that is none';
};

subtest 'setting one and taking it back' => sub {
    my $browser = $http->clone;
    $browser->jar;
    my $r = $browser->get('/qa?preview=1&country=DE', @TESTER);
    my ($token) = $r->body =~ /name="token" value="([^"]+)"/;
    my @form = (preview => 1, country => 'DE', record => 'outdated',
        label => 'anna', ttl => '1h');

    for my $bad ([], [token => 'k1.x'], [token => "${token}A"],
        [token => override_token(country => 'DE')])
    {
        $r = $browser->post('/qa', [@form, @$bad], @TESTER);
        is $r->status, 403, 'not without the token of the page';
        is $r->header('Set-Cookie'), undef, 'nothing is set';
    }

    for my $header ([Origin => 'https://evil.example'],
        ['Sec-Fetch-Site' => 'cross-site'])
    {
        $r = $browser->post('/qa', [@form, token => $token], @TESTER,
            @$header);
        is $r->status, 403, 'not from another site';
    }

    is $browser->post('/qa', [@form, token => $token], 'X-Tester' => 'tester',
        'X-Real-IP' => address_of('DE'))->status, 403,
        'not from another address';
    is $browser->post('/qa', [country => 'XX', token => $token], @TESTER)
        ->status, 422, 'nor what is wrong';
    is $browser->post('/qa', [token => $token], @TESTER)->status, 422,
        'nor nothing';
    is $browser->post('/qa', [country => 'DE', label => 'x' x 5000], @TESTER)
        ->status, 413, 'nor what is too large';

    $r = $browser->post('/qa', [@form, token => $token], @TESTER);
    is $r->status, 303, 'is set';
    is $r->location, '/qa', 'and shown';
    my ($age) = $r->header('Set-Cookie') =~ /^consent-override=.*Max-Age=(\d+)/;
    is $age, 3600, 'for an hour';

    $r = $browser->get('/', @TESTER);
    is $r->status, 302, 'and is in force';
    like $r->header('Consent-Override'),
        qr/^country=DE; record=outdated; label=anna; by=cookie; expires=/,
        'as it was set';
    $r = $browser->get('/qa', @TESTER);
    like $r->body, qr/takes this browser for <code>country=DE; record=outdated/,
        'the page tells';
    like $r->body, qr/<option value="outdated" selected>/,
        'and its form is filled in';
    is $browser->get('/', 'X-Real-IP' => address_of('US'))->status, 200,
        'the cookie alone is nothing where a variable allows it';

    $r = $browser->post('/qa', [action => 'clear', token => $token], @TESTER);
    is $r->status, 303, 'is taken back';
    is $browser->get('/', @TESTER)->status, 200, 'and is no more';
};

subtest 'what was answered before' => sub {
    my $browser = $http->clone;
    $browser->jar;
    my @german = (@TESTER, 'X-Consent-Country' => 'DE');
    my $state = $browser->get('/consent/state', @german)->json;
    $browser->post('/consent/accept', [token => $state->{token},
            document => $state->{missing}], @german);
    is $browser->get('/', @german)->status, 200, 'counts for that tester';
    is $browser->get('/qa?preview=1&country=DE&format=json', @TESTER)
        ->json->{classes}{navigation}{reason}, 'missing',
        'and not for one to come';
};

subtest 'a link' => sub {
    my $body = page('?preview=1&country=DE&ttl=1h&path=/index.html')->body;
    my ($link) = $body =~ m{<a href="([^"]+)"};
    like $link, qr{^http://localhost[^/]*/index\.html\?consent_override=},
        'to a page';
    my ($uri) = $link =~ m{^http://[^/]+(/.*)};
    my $browser = $http->clone;
    $browser->jar;
    is $browser->get($uri, @TESTER)->location, '/index.html', 'is opened';
    like $browser->get('/index.html', @TESTER)->header('Consent-Override'),
        qr/^country=DE; by=cookie/, 'and counts';

    like page('?preview=1&country=DE&path=//evil.example')->body,
        qr{href="http://localhost[^/]*/\?consent}, 'to no other site';
    unlike page('?preview=1')->body, qr/consent_override=/, 'none of nothing';
};

subtest 'with a token alone' => sub {
    my $signed = $http->clone(port => $t->port('signed'));
    my @from = ('X-Real-IP' => address_of('US'));
    my $token = override_token(country => 'DE', ttl => 600);
    my $hold = sub ($token) { return (@from, Cookie =>
        "consent-override=$token") };

    is $signed->get('/qa', @from)->status, 403, 'nobody without';
    is $signed->get('/qa', $hold->(override_token(ttl => 0)))->status, 403,
        'nobody with an old one';
    my $r = $signed->get('/qa', $hold->($token));
    is $r->status, 200, 'who holds one';
    my ($form) = $r->body =~ /name="token" value="([^"]+)"/;

    $r = $signed->post('/qa', [country => 'FR', ttl => '7d', token => $form],
        $hold->($token));
    is $r->status, 303, 'may have another';
    my ($age) = $r->header('Set-Cookie') =~ /Max-Age=(\d+)/;
    ok $age <= 600 && $age > 590, 'that does not live longer';
};


SKIP: {
    skip 'no chromium and chromium-driver', 1
        if !ConsentGate::Chromium->available;

    subtest 'in a browser, without a script' => sub {
        my $port = $t->port('browser');
        my $c = $t->chromium(javascript => 0);

        $c->go("http://america.localhost:$port/");
        is $c->title, 'Home', 'an American';

        $c->go("http://america.localhost:$port/qa");
        $c->click('#country option[value=DE]');
        $c->click('form[method=get] button:first-child');
        ok wait_for(sub { $c->url =~ /country=DE/ }, 10), 'looks';
        ok wait_for(sub { $c->find('tr.on') }, 10), 'sees why';
        like $c->text('table.stack tbody tr:first-child'), qr/302 to the page/,
            'and what';

        $c->click('form[method=get] button[formmethod=post]');
        ok wait_for(sub { $c->url =~ m{/qa$} && $c->find('.box form') }, 10),
            'is a German now';
        $c->go("http://america.localhost:$port/");
        is $c->title, 'Policy', 'and is asked';

        $c->go("http://america.localhost:$port/qa");
        $c->click('.box form button');
        ok wait_for(sub { !$c->find('.box form') }, 10), 'is cleared';
        $c->go("http://america.localhost:$port/");
        is $c->title, 'Home', 'and is an American again';

        my $token = override_token(country => 'DE');
        $c->go("http://america.localhost:$port/?consent_override=$token");
        is $c->title, 'Policy', 'a link makes a German';
        unlike $c->url, qr/consent_override/, 'and does not stay';
    };

    subtest 'on a narrow screen' => sub {
        my $c = $t->chromium();
        $c->narrow;
        $c->go('http://america.localhost:' . $t->port('browser')
            . '/qa?preview=1&country=DE&record=outdated&anonymizer=vpn'
            . '&time=%2B30d');
        is $c->script('return document.documentElement.scrollWidth'), 320,
            '320 px are enough';
        is $c->script('return [...document.querySelectorAll('
            . '"input:not([type=hidden]),select")].filter(e => '
            . '!e.labels.length).length'), 0, 'every field has a label';
        is $c->script('return document.querySelectorAll("h1").length'), 1,
            'one heading of the first level';
    };
}


$t->done;
