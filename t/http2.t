use v5.36;

# HTTP/2, in the clear and over TLS, and what cookies are called there.

use lib 't/lib';
use JSON::PP ();
use Test::More;
use ConsentGate::Record qw(put_record);
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

put_record($t->redis, 'accepted', { map { ("d.$_" => 1) }
    qw(terms privacy cookies) });

$t->page('index.html', 'home');
$t->page("$_.html", "this is $_") for 1 .. 20;
$t->page('policy-update', '<!--#echo var="consent_form_token" -->');
$t->nginx(<<'END');
    %%CONSENT%%
    consent_subject $http_x_account;
    consent_gate on;
    consent_explain on;
    %%REALIP%%
    ssl_certificate %%CERT%%;
    ssl_certificate_key %%CERTKEY%%;

    server {
        listen 127.0.0.1:%%PORT%% http2;
        listen 127.0.0.1:%%PORT_tls%% ssl http2;
        root %%ROOT%%;
        location /consent/ { consent_api; }
        location = /policy-update { default_type text/html; ssi on; }
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT_tls%%;
        server_name domain;
        root %%ROOT%%;
        consent_visitor_cookie __Secure-seen domain=example.org max_age=30d;
        location = /policy-update { default_type text/html; ssi on; }
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT_tls%%;
        server_name insecure;
        root %%ROOT%%;
        consent_visitor_cookie seen secure=on;
        location = /policy-update { default_type text/html; ssi on; }
    }
END

my $plain = 'http://127.0.0.1:' . $t->port;
my $tls   = 'https://127.0.0.1:' . $t->port('tls');
my @NAVIGATE = ('-H', 'Sec-Fetch-Mode: navigate',
    '-H', 'Sec-Fetch-Dest: document');


# Status line and headers of each response, in lower case, and the bodies.
sub curl ($url, $country, @more) {
    my @flag = $url =~ /^https/ ? '--http2' : '--http2-prior-knowledge';
    my $out  = $t->curl(@flag, '--include',
        '-H', 'X-Real-IP: ' . address_of($country), @more, $url);

    is $?, 0, 'curl is content' or diag $out;
    my ($head, $body) = $out =~ /^(.*?\r\n)\r\n(.*)$/s;
    my ($status) = $head =~ m{^HTTP/2 (\d+)};

    return { status => $status, head => $head, body => $body };
}


for my $case (['in the clear' => $plain], ['over TLS' => $tls]) {
    my ($how, $base) = @$case;

    subtest "$how: a navigation" => sub {
        my $r = curl("$base/1.html?a=b", 'DE', @NAVIGATE);
        is $r->{status}, 302, 'from inside';
        like $r->{head}, qr{^location:[ ]/policy-update\?return=/1\.html%3Fa%3Db
            &need=terms,privacy,cookies\r$}mx, 'to a path of this site';
        like $r->{head}, qr/^cache-control: no-store\r$/m, 'not to be stored';
        is $r->{body}, '', 'without a body';

        is curl("$base/1.html", 'US', @NAVIGATE)->{body}, 'this is 1',
            'from outside';
        is curl("$base/1.html", 'DE', @NAVIGATE,
            '-H', 'X-Account: accepted')->{body}, 'this is 1', 'accepted';
    };

    subtest "$how: others" => sub {
        my $r = curl("$base/1.html", 'DE', '-H', 'Accept: application/json');
        is $r->{status}, 403, 'fetch';
        is eval { JSON::PP::decode_json($r->{body})->{reason} }, 'missing',
            'is told why';

        # curl does not like an answer that comes before its body has gone
        $r = curl("$base/1.html", 'DE', @NAVIGATE, '-X', 'POST');
        is $r->{status}, 403, 'a POST';
        like $r->{body}, qr{<a href="/policy-update\?return=/&amp;},
            'is shown a link';

        $r = curl("$base/1.html", 'DE', @NAVIGATE, '--head');
        is $r->{status}, 302, 'HEAD';

        $r = curl("$base/1.html", 'DE', '-H', 'Upgrade: websocket',
            '-X', 'OPTIONS');
        is $r->{status}, 405, 'a preflight passes to what is there';
    };
}

subtest 'many at once' => sub {
    my @urls = map { ("$tls/$_.html", '-o', $t->dir . "/out.$_") } 1 .. 20;
    my $out = $t->curl('--http2', '--no-progress-meter',
        '--parallel', '--parallel-immediate',
        '-H', 'X-Real-IP: ' . address_of('DE'), '-H', 'X-Account: accepted',
        @NAVIGATE, '-w', '%{http_code} %{http_version}\n', @urls);

    is $out, "200 2\n" x 20, 'on one connection';
    is slurp($t->dir . "/out.$_"), "this is $_", "$_ has its own answer"
        for 1 .. 20;
};

subtest 'cookies over TLS' => sub {
    my $r = curl("$tls/policy-update", 'DE', @NAVIGATE);
    my ($cookie) = $r->{head} =~ /^set-cookie: (__Host-consent=\S+; .*)\r$/m;

    ok $cookie, 'have a name that only this host can set'
        or return diag $r->{head};
    like $cookie, qr/^__Host-consent=[\w-]{32};[ ]Path=\/;[ ]HttpOnly;
        [ ]SameSite=Lax;[ ]Secure$/x, 'and what this name asks for';

    my ($value) = $cookie =~ /=([\w-]+)/;
    like curl("$tls/1.html", 'DE', @NAVIGATE, '-H',
        "Cookie: __Host-consent=$value")->{head}, qr/record=absent/,
        'and come back';
    like curl("$tls/1.html", 'DE', @NAVIGATE, '-H',
        "Cookie: consent=$value")->{head}, qr/record=none/,
        'under no other name';
    like curl("$tls/1.html", 'DE', @NAVIGATE, '-H', 'Cookie: a=b; c=d',
        '-H', "Cookie: __Host-consent=$value")->{head}, qr/record=absent/,
        'in one of several lines';

    $r = curl("$tls/1.html", 'DE', @NAVIGATE, '-H', 'X-Account: new');
    like $r->{head}, qr/^set-cookie:[ ]__Host-consent-subject=.*;[ ]Path=\/;
        [ ]HttpOnly;[ ]SameSite=Lax;[ ]Secure;[ ]Max-Age=600\r$/mx,
        'the gated subject too';
};

subtest 'cookies in the clear' => sub {
    my $r = curl("$plain/policy-update", 'DE', @NAVIGATE);
    like $r->{head}, qr/^set-cookie:[ ]consent=[\w-]{32};[ ]Path=\/;[ ]HttpOnly;
        [ ]SameSite=Lax\r$/mx, 'have no such prefix';
};

subtest 'a name and a domain of the operator' => sub {
    my $r = curl("$tls/policy-update", 'DE', @NAVIGATE, '-H', 'Host: domain');
    like $r->{head}, qr/^set-cookie:[ ]__Secure-seen=[\w-]{32};.*[ ]Secure;
        [ ]Domain=example\.org\r$/mx, 'for the session at first';
};

subtest 'secure=on' => sub {
    my $r = curl("$plain/policy-update", 'DE', @NAVIGATE,
        '-H', 'Host: insecure');
    like $r->{head}, qr/^set-cookie: seen=[\w-]{32};.* Secure\r$/m,
        'where TLS ends before us';
};

subtest 'from the page to the record' => sub {
    my $jar = $t->dir . '/jar';
    my @jar = ('-b', $jar, '-c', $jar);

    my $r = curl("$tls/policy-update?return=/1.html", 'DE', @NAVIGATE, @jar);
    my $token = $r->{body};
    like $token, qr/^[\w.-]{40,}$/, 'a token';

    $r = curl("$tls/consent/accept", 'DE', @NAVIGATE, @jar,
        '--data', "token=$token", '--data', 'return=/1.html',
        map { ('--data', "document=$_") } qw(terms privacy cookies));
    is $r->{status}, 303, 'is taken';
    like $r->{head}, qr{^location: /1\.html\r$}m, 'and leads back';
    like $r->{head}, qr/^set-cookie: __Host-consent=.*; Max-Age=15724800\r$/m,
        'with a cookie for half a year';
    is curl("$tls/1.html", 'DE', @NAVIGATE, @jar)->{body}, 'this is 1',
        'at once';
};

$t->done;
