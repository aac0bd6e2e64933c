use v5.36;

# The page is never a place that the gate sends away from, wherever it is and
# whatever happens to it.

use lib 't/lib';
use MIME::Base64 qw(encode_base64);
use Test::More;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->write_file('users', "alice:{PLAIN}one\n");
$t->page('plain', 'the page: <!--#echo var="consent_form_token" -->');
$t->page('dir/index.html', 'the page: <!--#echo var="consent_form_token" -->');
$t->page('pages/p.html', 'the page: <!--#echo var="consent_form_token" -->');
$t->page('index.php', 'front: <!--#echo var="consent_form_token" -->');
$t->page('errors/404.html', 'nothing here');

# A site for each place that a page can be in.
my %SITES = (
    gated     => ['/plain', 'location / { }'],
    off       => ['/plain', 'location = /plain { consent_gate off; }'],
    report    => ['/plain', 'location = /plain { consent_gate report; }'],
    directory => ['/dir', 'location / { }'],
    slash     => ['/dir/', 'location / { }'],
    index     => ['/', 'location / { root %%ROOT%%/dir; }'],
    missing   => ['/none', 'location / { }'],
    'missing-page' => ['/none', 'location / { }
        error_page 404 /errors/404.html;'],
    'missing-fallback' => ['/none', 'location / { }
        error_page 404 = /index.php;'],
    'missing-named' => ['/none', 'location / { }
        error_page 404 = @front;
        location @front { rewrite ^ /index.php break; }'],
    rewritten => ['/policy', 'rewrite ^/policy$ /pages/p.html;'],
    broken    => ['/policy', 'location = /policy {
        rewrite ^ /pages/p.html break; }'],
    'rewritten-off' => ['/policy', 'location = /policy {
        rewrite ^ /pages/p.html last; }
        location /pages/ { consent_gate off; }'],
    'broken-off' => ['/policy', 'location = /policy {
        consent_gate off; rewrite ^ /pages/p.html break; }'],
    tried     => ['/policy', 'location / { try_files $uri /index.php; }'],
    'tried-off' => ['/policy', 'location = /policy {
        consent_gate off; try_files /pages/p.html =404; }'],
    alias     => ['/policy', 'location = /policy {
        alias %%ROOT%%/pages/p.html; }'],
    behind    => ['/plain', 'auth_basic "members";
        auth_basic_user_file %%DIR%%/users;'],
    forbidden => ['/plain', 'location = /plain { deny all; }'],
    purpose   => ['/plain', 'consent_require_purpose ads;'],
    closed    => ['/plain', 'consent_on_error closed;'],
    proxied   => ['/plain', 'location = /plain {
        proxy_pass http://127.0.0.1:%%PORT_up%%; }'],
    variable  => ['/plain', 'consent_gate $http_x_mode;'],
);

my $servers = '';

for my $name (sort keys %SITES) {
    my ($page, $more) = @{ $SITES{$name} };

    $servers .= <<"END";
    server {
        listen 127.0.0.1:%%PORT%%;
        server_name $name;
        consent_page $page;
        $more
    }
END
}

$t->nginx(<<'END' . $servers);
    consent_store { server %%REDIS%%; connect_timeout 2s; timeout 2s; }
    consent_key_file %%KEYS%%;
    consent_geoip %%GEO%%;
    consent_document terms kind=accept version=1;
    consent_purpose ads;
    consent_gate on;
    %%REALIP%%
    root %%ROOT%%;
    default_type text/html;
    ssi on;

    server {
        listen 127.0.0.1:%%PORT_up%%;
        consent_gate off;
        location / { return 200 "the page"; }
    }
END

my %ENDS = (
    forbidden => 403,
    behind    => 401,
    (map { $_ => 404 } qw(missing missing-page)),
);

for my $name (sort keys %SITES) {
    subtest $name => sub {
        my $browser = $t->browser('DE', host => $name);
        my ($page) = @{ $SITES{$name} };
        my @trail = '/gated/x?a=b';
        my $r;

        for (1 .. 5) {
            $r = $browser->get($trail[-1], 'X-Mode' => 'on');
            last if !$r->location;
            push @trail, $r->location =~ s{^http://[^/]+}{}r;
        }

        is $r->status, $ENDS{$name} // 200, 'comes to an end'
            or diag join "\n", @trail;
        cmp_ok scalar(@trail), '<=', 3, 'soon' or diag join "\n", @trail;

        return if $name eq 'report' || $name eq 'proxied';

        is $r->header('Cache-Control'), 'no-store', 'not to be stored'
            if $name ne 'behind' && $name ne 'forbidden';
        like $r->body, qr{: [\w.-]{40}}, 'with a token for the form'
            if $r->status == 200;

        # Now there is a cookie, and a record to be looked for.
        my $again = $browser->get($trail[-1], 'X-Mode' => 'on');
        is $again->status, $r->status, 'and it is the same again';
        like $again->body, qr{: [\w.-]{40}}, 'with a token'
            if $r->status == 200;
    };
}

subtest 'whom the page itself lets in' => sub {
    my $r = $t->browser('DE', host => 'behind')->get('/plain',
        Authorization => 'Basic ' . encode_base64('alice:one', ''));
    is $r->status, 200, 'by a password';
};

subtest 'other spellings of its address' => sub {
    my $browser = $t->browser('DE', host => 'gated');

    is $browser->get($_)->status, 200, $_
        for '/plain?x', '//plain', '/%70lain';
    like $browser->get($_)->location, qr{^/plain\?return=},
        "$_ may mean another, and is sent to it"
        for '/./plain', '/x/../plain';
    is $browser->get($_)->status, 302, "$_ is another"
        for '/plain2', '/plain/x', '/Plain', '/plain%2f..';
};

subtest 'a POST to the page' => sub {
    my $r = $t->browser('DE', host => 'tried')->post('/policy', { a => 'b' });
    isnt $r->status, 302, 'is not sent there';
};

$t->done;
