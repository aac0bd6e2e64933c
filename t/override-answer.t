use v5.36;

# What is answered under an override says so, and is kept by nobody: whatever
# an upstream, "expires" or a cache of nginx say.

use lib 't/lib';
use Test::More;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('part.html', 'part');
$t->page('ssi.html', '<!--#include virtual="/part.html" --> '
    . '<!--#echo var="consent_override" -->');
$t->page('policy-update', 'page');
$t->nginx(<<'END');
    %%CONSENT%%
    consent_gate on;
    consent_explain on;
    %%REALIP%%

    map $http_x_tester $tester { tester yes; default ""; }
    proxy_cache_path %%DIR%%/cache keys_zone=cache:1m;
    log_format override '$request_uri [$consent_override]';
    access_log %%DIR%%/override.log override;

    server {
        listen 127.0.0.1:%%PORT%%;
        root %%ROOT%%;
        consent_override allow=$tester;

        location / { }
        location /expires/ {
            expires 30d;
            add_header Cache-Control public;
            alias %%ROOT%%/;
        }
        location /proxy/ { proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location /cached/ {
            proxy_pass http://127.0.0.1:%%PORT_up%%;
            proxy_cache cache;
            proxy_cache_key $uri;
            add_header X-Cache $upstream_cache_status;
        }
        location /bypassed/ {
            proxy_pass http://127.0.0.1:%%PORT_up%%;
            proxy_cache cache;
            proxy_cache_key $uri;
            proxy_cache_bypass $consent_override;
            proxy_no_cache $consent_override;
            add_header X-Cache $upstream_cache_status;
        }
        location /report/ { consent_gate report; alias %%ROOT%%/; }
        location /no/ { consent_override off; alias %%ROOT%%/; }
        location = /ssi.html { ssi on; }
        location /missing/ { error_page 404 = /no/index.html; }
        location = /policy-update { default_type text/html; }
        location /consent/ { consent_api; }
    }
    server {
        listen 127.0.0.1:%%PORT_up%%;
        consent_gate off;
        location / {
            add_header Cache-Control "public, max-age=3600";
            add_header CDN-Cache-Control "max-age=3600";
            add_header Surrogate-Control "max-age=3600";
            add_header Expires "Thu, 01 Jan 2099 00:00:00 GMT";
            add_header Consent-Override "spoofed";
            return 200 "up $msec $http_x_tester";
        }
    }
END

my $http = $t->http(headers => [Accept => 'text/html']);

my @TESTER = ('X-Tester' => 'tester', 'X-Consent-Country' => 'US');

sub as_tester ($uri, @headers) {
    return $http->get($uri, 'X-Real-IP' => address_of('DE'), @TESTER,
        @headers);
}

sub as_visitor ($uri) {
    return $http->get($uri, 'X-Real-IP' => address_of('US'));
}

sub kept_by_nobody ($r, $name) {
    is_deeply [$r->headers('Cache-Control')], ['no-store'],
        "$name: no-store, once";
    is_deeply [map { $r->headers($_) } qw(Expires CDN-Cache-Control
        Surrogate-Control X-Accel-Expires)], [], "$name: nothing against it";
    is_deeply [$r->headers('Consent-Override')],
        ['country=US; by=words'], "$name: says so";
}


subtest 'whatever is answered' => sub {
    kept_by_nobody(as_tester('/'), 'a file');
    kept_by_nobody(as_tester('/expires/'), '"expires" and "add_header"');
    kept_by_nobody(as_tester('/proxy/'), 'an upstream');
    kept_by_nobody(as_tester('/absent'), 'nothing');
    kept_by_nobody(as_tester('/report/'), 'a gate that reports');
    kept_by_nobody(as_tester('/policy-update'), 'the page');
    kept_by_nobody(as_tester('/consent/state'), 'the API');
    kept_by_nobody(as_tester('/missing/'), 'after an internal redirect');

    my $r = as_tester('/', 'X-Consent-Country' => 'DE');
    $r = $http->get('/', 'X-Real-IP' => address_of('US'),
        'X-Tester' => 'tester', 'X-Consent-Country' => 'DE');
    is $r->status, 302, 'a redirect of the gate';
    is $r->header('Consent-Override'), 'country=DE; by=words', 'says so too';
    is_deeply [$r->headers('Cache-Control')], ['no-store'], 'and is not kept';
};

subtest 'what is not overridden' => sub {
    is as_visitor('/proxy/')->header('Cache-Control'),
        'public, max-age=3600', 'is left as it is';
    is as_visitor('/')->header('Consent-Override'), undef, 'says nothing';
    like as_visitor('/expires/')->header('Expires'), qr/GMT/,
        '"expires" counts';
    is as_tester('/no/')->header('Consent-Override'), undef,
        'nor where there is no override';
};

subtest 'a cache of nginx' => sub {
    my $r = as_tester('/cached/a');
    is $r->header('X-Cache'), 'MISS', 'a tester comes first';
    $r = as_visitor('/cached/a');
    is $r->header('X-Cache'), 'MISS', 'and a visitor gets no page of theirs';
    is as_visitor('/cached/a')->header('X-Cache'), 'HIT', 'but another one';
    my $body = $r->body;

    $r = as_tester('/bypassed/b');
    is $r->header('X-Cache'), 'BYPASS', 'with the variable: goes past it';
    is as_visitor('/bypassed/b')->header('X-Cache'), 'MISS',
        'leaves nothing in it';
    is as_tester('/bypassed/b')->header('X-Cache'), 'BYPASS',
        'gets nothing out of it';
    is as_visitor('/bypassed/b')->header('X-Cache'), 'HIT',
        'and it is as it was';
};

subtest 'a subrequest' => sub {
    my $r = as_tester('/ssi.html');
    like $r->body, qr/^part country=US; by=words/, 'has the same override';
    kept_by_nobody($r, 'the whole');
};

subtest 'over HTTP/1.0, HEAD and conditions' => sub {
    kept_by_nobody($http->head('/', 'X-Real-IP' => address_of('DE'), @TESTER),
        'HEAD');
    my $modified = as_visitor('/')->header('Last-Modified');
    my $r = as_tester('/', 'If-Modified-Since' => $modified);
    is $r->status, 304, 'not modified';
    is $r->header('Consent-Override'), 'country=US; by=words', 'says so';
};

subtest 'in the log' => sub {
    as_tester('/?logged');
    as_visitor('/?plain');
    ok wait_for(sub {
        my $log = slurp($t->dir . '/override.log');
        $log =~ m{^/\?logged \[country=US; by=words\]$}m
            && $log =~ m{^/\?plain \[\]$}m;
    }), 'is told by a variable';
};

subtest 'headers of all words' => sub {
    my $told = sub (@headers) {
        return scalar $http->get('/', 'X-Real-IP' => address_of('US'),
            'X-Tester' => 'tester', @headers)->header('Consent-Override');
    };

    is $told->('X-Consent-Anonymizer' => 'tor'), 'anonymizer=tor; by=words',
        'an anonymizer alone';
    is $told->('X-Consent-Country' => 'el', 'X-Consent-Time' => '+2h',
        'X-Consent-Record' => 'declined', 'X-Consent-Residence' => 'uk',
        'X-Consent-History' => '3', 'X-Consent-Anonymizer' => 'vpn'),
        'country=GR; anonymizer=vpn; time=+2h; record=declined; '
        . 'residence=GB; history=3; by=words', 'all of them';
    is $told->('X-Consent-Country' => 'DE', 'X-Consent-Time' => 'soon'),
        undef, 'one that is wrong, and none counts';
    is $told->('X-Consent-Record' => "declined; country=FR"), undef,
        'no word within a word';
};

# Without purposes, whose refusal would make a record.
subtest 'what is pretended is taken back' => sub {
    my $browser = $t->browser('US', headers => ['X-Tester' => 'tester',
        'X-Consent-Country' => 'DE', 'X-Consent-Record' => 'accepted']);
    my $told = sub {
        my $r = $browser->get('/');
        return $r->status . ' '
            . ($r->header('Consent-Gate') =~ s/^.*?reason=(\w+).*$/$1/r);
    };
    my $post = sub ($what) {
        my $state = $browser->get('/consent/state')->json;
        return $browser->post("/consent/$what", [token => $state->{token},
            document => $state->{missing}])->status;
    };

    is $told->(), '200 accepted', 'has accepted, as is pretended';
    is $post->('withdraw'), 303, 'and withdraws';
    is $told->(), '302 missing', 'and is asked';
    is $post->('accept'), 303, 'accepts again';
    is $told->(), '200 accepted', 'and passes';
    is $post->('withdraw'), 303, 'withdraws again';
    is $told->(), '302 missing', 'and is asked again';
};

$t->done;
