use v5.36;

# report: decides and tells, changes nothing.

use lib 't/lib';
use Test::More;
use ConsentGate::Record qw(put_record);
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

put_record($t->redis, 'refusing', { 'p.ads' => 0,
    map { ("d.$_" => 1) } qw(terms privacy cookies) });

$t->page('index.html', 'home');
$t->page('policy-update', 'page <!--#echo var="consent_form_token" -->');
$t->nginx(<<'END');
    %%CONSENT%%
    consent_purpose ads;
    consent_subject $http_x_account;
    consent_gate report;
    %%REALIP%%

    log_format decisions '$uri $http_x_n $consent_decision $consent_reason '
                         '$consent_country $consent_missing';

    server {
        listen 127.0.0.1:%%PORT%%;
        root %%ROOT%%;
        access_log %%DIR%%/decisions.log decisions;

        add_header X-Decision "$consent_decision $consent_reason";
        add_header X-Missing $consent_missing;

        location /purpose/ { consent_require_purpose ads; alias %%ROOT%%/; }
        location /closed/ { consent_on_error closed; alias %%ROOT%%/; }
        location /post { proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location /on/ { consent_gate on; alias %%ROOT%%/; }
        location /consent/ { consent_api; }
        location = /policy-update { default_type text/html; ssi on; }
    }
    server {
        listen 127.0.0.1:%%PORT_up%%;
        consent_gate off;
        location / { return 200 "took $request_method"; }
    }
END

my @HTML = (Accept => 'text/html');
my $http = $t->http;


sub ask ($country, $uri, @headers) {
    return $http->get($uri, @HTML, 'X-Real-IP' => address_of($country),
        @headers);
}


sub passes ($r, $decision, $what) {
    is $r->status, 200, "$what: passes";
    is $r->header('X-Decision'), $decision, 'as it would not';
    is_deeply [$r->headers('Set-Cookie')], [], 'without a cookie';
    is $r->header('Cache-Control'), undef, 'and storable';
    return;
}


my $keys = join ' ', $t->redis->keys;

subtest 'what would be sent to the page' => sub {
    my $r = ask('DE', '/');
    passes($r, 'page missing', 'a German');
    is $r->body, 'home', 'to what is there';
    is $r->header('X-Missing'), 'terms,privacy,cookies', 'and is told of';
    passes(ask('DE', '/', 'X-Account' => 'new'), 'page missing',
        'an account');
    passes(ask('US', '/'), 'pass outside', 'an American');
};

subtest 'what would be refused' => sub {
    passes(ask('DE', '/purpose/', 'X-Account' => 'refusing'),
        'refuse purpose', 'a purpose');
    passes($http->get('/', 'X-Real-IP' => address_of('DE'),
        Accept => 'application/json'), 'page missing', 'a script');

    my $r = $http->post('/post', { a => 'b' }, @HTML,
        'X-Real-IP' => address_of('DE'));
    passes($r, 'page missing', 'a form');
    is $r->body, 'took POST', 'and its body';
};

subtest 'a location that is on' => sub {
    is ask('DE', '/on/')->status, 302, 'is on';
};

subtest 'the page' => sub {
    my $r = ask('DE', '/policy-update');
    is $r->status, 200, 'is there to be looked at';
    is $r->body, 'page ', 'has no form to send';
    is_deeply [$r->headers('Set-Cookie')], [], 'and no cookie';
};

subtest 'the API' => sub {
    my $r = ask('DE', '/consent/state');
    is $r->status, 200, 'tells';
    is $r->json->{decision}, 'page', 'what would be';
    is $r->json->{token}, undef, 'without a token';
    is_deeply [$r->headers('Set-Cookie')], [], 'and without a cookie';
};

subtest 'the store' => sub {
    is join(' ', $t->redis->keys), $keys, 'holds what it held';
};

subtest 'the log' => sub {
    ask('DE', '/?x', 'X-N' => 'one');
    ok wait_for(sub {
        slurp($t->dir . '/decisions.log') =~ m{^/index\.html\ one\ page
            \ missing\ DE\ terms,privacy,cookies$}mx;
    }), 'tells what would have been';
};

$t->redis->stop;

subtest 'without a store' => sub {
    passes(ask('DE', '/closed/', 'X-Account' => 'refusing'),
        'unavailable store_down', 'what would be unavailable');
};

$t->done;
