use v5.36;

# auth_request comes before the gate, says who the account is, and its
# subrequest is not gated.

use lib 't/lib';
use Test::More;
use ConsentGate::Record qw(pseudonym put_record);
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

put_record($t->redis, 'alice', { map { ("d.$_" => 1) }
    qw(terms privacy cookies) });

$t->page('index.html', 'home');
$t->page('policy-update', 'the page');
$t->nginx(<<'END');
    %%CONSENT%%
    consent_gate on;
    consent_explain on;
    %%REALIP%%

    log_format reasons '$uri $consent_decision $consent_reason';

    server {
        listen 127.0.0.1:%%PORT_sso%%;

        location / {
            if ($cookie_session = "") { return 401; }
            add_header X-Account $cookie_session;
            return 204;
        }
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        root %%ROOT%%;

        auth_request /auth;
        auth_request_set $account $upstream_http_x_account;
        consent_subject $account;

        location / {
            add_header X-Subject $consent_subject always;
        }
        location /named/ {
            auth_request_set $consent_account $upstream_http_x_account;
            consent_subject $consent_account;
            add_header X-Account $consent_account always;
            add_header X-Subject $consent_subject always;
            alias %%ROOT%%/;
        }
        location = /auth {
            internal;
            auth_request off;
            proxy_pass http://127.0.0.1:%%PORT_sso%%/;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header X-Decision $consent_decision;
        }
        location = /policy-update {
            auth_request off;
            default_type text/html;
        }
    }
END


sub ask ($country, $uri, $session = undef) {
    my $browser = $t->browser($country);
    $browser->jar->set(session => $session) if defined $session;
    return $browser->get($uri);
}


subtest 'nobody' => sub {
    for my $country (qw(DE US)) {
        my $r = ask($country, '/');
        is $r->status, 401, "$country is asked who it is";
        is $r->header('Consent-Gate'), undef, 'before the gate';
    }
};

subtest 'an account that has accepted' => sub {
    my $r = ask('DE', '/', 'alice');

    is $r->body, 'home', 'passes';
    is $r->header('X-Subject'), pseudonym('alice'), 'under its own name';
    like $r->header('Consent-Gate'), qr/^pass; reason=accepted;/,
        'by its own record: the subrequest has not decided';
};

subtest 'an account that has not' => sub {
    my $r = ask('DE', '/', 'bob');

    is $r->status, 302, 'is sent to the page';
    is $r->header('X-Subject'), pseudonym('bob'), 'under its own name';
    ok $r->cookie('consent-subject'), 'and known there';
    is ask('US', '/', 'bob')->body, 'home', 'but not from outside';
};

subtest 'a POST' => sub {
    my $browser = $t->browser('DE');
    $browser->jar->set(session => 'bob');
    is $browser->post('/', { a => 'x' x 20_000 })->status, 403, 'is refused';
    is $browser->get('/')->status, 302, 'and the connection is in order';
};

subtest 'a variable of the operator that is called like ours' => sub {
    my $r = ask('DE', '/named/', 'alice');

    is $r->body, 'home', 'names the account';
    is $r->header('X-Account'), 'alice', 'and keeps its value';
    is $r->header('X-Subject'), pseudonym('alice'), 'as it should';
};

subtest 'the page' => sub {
    my $r = ask('DE', '/policy-update');
    is $r->body, 'the page', 'is there for everyone';
};

$t->done;
