use v5.36;

# The form of the testers' page leads back to the page, and never to another
# site: nginx takes "//evil.example/..%2fqa" for "/qa", a browser does not.

use lib 't/lib';
use Test::More;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->nginx(<<'END');
    %%CONSENT%%
    consent_gate on;
    server {
        listen 127.0.0.1:%%PORT%%;
        consent_override allow=$http_x_tester;
        location / { return 404; }
        location /consent/ { consent_api; }
        location = /qa { consent_qa; }
    }
END

my $http = $t->http(headers => ['X-Tester' => 1]);

# What a form of the page under this path leads to.
sub leads ($path) {
    my ($token) = $http->get($path)->body =~ /name="token" value="([^"]+)"/;
    my $r = $http->post($path, { token => $token, country => 'FR' });

    is $r->status, 303, "$path: an override is set";
    like $r->cookie('consent-override'), qr/^consent-override=k1\./, 'by cookie';
    return $r->location;
}

is leads('/qa'), '/qa', 'back to where it was';
is leads('/qa?preview=1&country=FR'), '/qa', 'without the query';
is leads('/x/../qa'), '/x/../qa', 'as the client calls it';

for my $path ('//evil.example/..%2fqa', '//evil.example/../qa', '//qa',
    '/%5cevil.example/..%2fqa', '/%2fevil.example/../qa',
    '/x/..//evil.example/../qa', '/%09/evil.example/../../qa')
{
    is leads($path), '/', 'to this site';
}

$t->done;
