use v5.36;

# The gate and authentication: neither opens the other.

use lib 't/lib';
use MIME::Base64 qw(encode_base64);
use Test::More;
use ConsentGate::Record qw(put_record);
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->write_file('users', "alice:{PLAIN}one\nbob:{PLAIN}two\n");
$t->page("$_/index.html", 'secret') for qw(any all off);
$t->page('policy-update', 'the page');

put_record($t->redis, 'alice', { map { ("d.$_" => 1) }
    qw(terms privacy cookies) });

$t->nginx(<<'END');
    %%CONSENT%%
    consent_gate on;
    consent_explain on;
    consent_subject $remote_user;
    %%REALIP%%

    server {
        listen 127.0.0.1:%%PORT%%;
        root %%ROOT%%;
        auth_basic_user_file %%DIR%%/users;

        location /any/ {
            satisfy any;
            auth_basic "members";
            allow 192.0.2.0/24;
            deny all;
        }
        location /all/ {
            satisfy all;
            auth_basic "members";
        }
        location /off/ {
            satisfy any;
            auth_basic "members";
            deny all;
            consent_gate off;
        }
        location /policy-update {
            default_type text/html;
        }
    }
END


sub ask ($country, $uri, $user = undef, $password = undef) {
    my $http = $t->browser($country);
    return $http->get($uri, defined $user
        ? (Authorization => 'Basic '
            . encode_base64("$user:$password", '')) : ());
}


for my $where (qw(any all off)) {
    subtest "satisfy $where: without a password" => sub {
        for my $country (qw(DE US none)) {
            my $r = ask($country, "/$where/");
            is $r->status, 401, "$country is asked for one";
            is $r->header('Consent-Gate'), undef, 'before the gate';
            is $r->cookie('consent-subject'), undef, 'no cookie';
            is ask($country, "/$where/", 'alice', 'wrong')->status, 401,
                'a wrong one is none';
        }
    };
}

for my $where (qw(any all)) {
    subtest "satisfy $where: with a password" => sub {
        is ask('DE', "/$where/", 'alice', 'one')->body, 'secret',
            'who has accepted passes';
        is ask('US', "/$where/", 'bob', 'two')->body, 'secret',
            'who is outside passes';

        my $r = ask('DE', "/$where/", 'bob', 'two');
        is $r->status, 302, 'who has not accepted is sent to the page';
        like $r->location, qr{^/policy-update\?return=/$where/}, 'to here';
        ok $r->cookie('consent-subject'), 'with the name of the account';
        unlike $r->cookie('consent-subject'), qr/bob/, 'that is not legible';
    };
}

subtest 'satisfy any: an address that is allowed' => sub {
    my $http = $t->http(headers => [Accept => 'text/html']);
    is $http->get('/any/', 'X-Real-IP' => '192.0.2.1')->body, 'secret',
        'needs no password';
};

subtest 'a gate that is off' => sub {
    is ask('DE', '/off/', 'bob', 'two')->body, 'secret',
        'leaves authentication as it is';
};

subtest 'the page' => sub {
    my $browser = $t->browser('DE');
    my @bob = (Authorization => 'Basic ' . encode_base64('bob:two', ''));

    is $browser->get('/all/', @bob)->status, 302, 'is where bob is sent';

    my $r = $browser->get('/policy-update?return=/all/');
    is $r->status, 200, 'that needs no password';
    like $r->header('Consent-Gate'), qr/^pass; reason=own;/, 'is ours';
    like $r->header('Consent-Gate'), qr/record=absent/,
        'and has looked for the record of bob';
};

$t->done;
