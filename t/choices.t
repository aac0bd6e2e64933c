use v5.36;

# The pages of choices and of age in a real browser: without a script, by the
# keyboard alone, on a narrow screen, and read out by a screen reader.

use lib 't/lib';
use Test::More;
use ConsentGate::Chromium;
use ConsentGate::Flow;
use ConsentGate::Test;

plan skip_all => 'no chromium and chromium-driver'
    if !ConsentGate::Chromium->available;

my $t = ConsentGate::Test->new;

$t->page('index.html', '<title>Home</title>home');
$t->page('tag.html', '<title>Tag</title>tag');

$t->nginx(<<'CONF');
    %%CONSENT%%
    consent_purpose hosting   title=Hosting necessary;
    consent_purpose support   "title=Support and communication";
    consent_purpose analytics title=Analytics gpc=deny;
    map $host $country_of_host {
        ~^germany   DE;
        ~^america   US;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        root %%ROOT%%;
        charset utf-8;
        consent_gate on;
        consent_country $country_of_host;
        consent_choices_page /privacy-choices;
        consent_ask_age on;
        consent_age_page /age;
        location / { add_header Cache-Control no-cache; }
        location /analytics/ {
            consent_require_purpose analytics; alias %%ROOT%%/;
        }
        location = /favicon.ico { consent_gate off; return 204; }
        location = /policy-update {
            ssi on; default_type text/html;
            alias %%TOP%%/conf/pages/policy-update.html;
        }
        location = /privacy-choices {
            ssi on; default_type text/html;
            alias %%TOP%%/conf/pages/privacy-choices.html;
        }
        location = /age {
            ssi on; default_type text/html;
            alias %%TOP%%/conf/pages/age.html;
        }
        location = /consent.css {
            consent_gate off;
            default_type text/css;
            alias %%TOP%%/conf/pages/consent.css;
        }
        location /consent/ { consent_api; }
    }
CONF

my $redis = $t->redis;
my $site  = 'http://germany.localhost:' . $t->port;
sub chromium (%options) {
    return $t->chromium(javascript => 0, %options);
}

# A click begins to navigate and does not wait for it.
sub at ($c, $pattern, $name) {
    wait_for(sub { path($c) =~ $pattern && $c->find('h1, title') }, 10);
    return like path($c), $pattern, $name;
}

sub path ($c) { return $c->url =~ s{^http://[^/]+}{}r }
sub says ($c) { return $c->text('main') }
sub press ($c, $what) { return $c->click(qq{form[action="/consent/$what"] button}) }

my @BOXES = map { "#$_" } qw(terms privacy cookies age);

sub accept_all ($c) {
    $c->go("$site/");
    $c->click($_) for @BOXES;
    $c->click('button[form=answer]');
    wait_for(sub { $c->title eq 'Home' }, 10);
    return;
}

sub record ($redis) {
    my ($key) = $redis->keys('gc:s:*');
    return $redis->hash($key);
}


subtest 'choices of who has answered nothing' => sub {
    my $c = chromium();
    $c->go("$site/");
    like path($c), qr{^/policy-update}, 'is gated';
    $c->click('a[href="/privacy-choices"]');
    at $c, qr{^/privacy-choices}, 'and led to the choices';
    is scalar(grep { $c->checked($_) } '#support', '#analytics'), 0,
        'nothing is ticked';
    is scalar(() = $c->find('#marketing')), 0, 'what is not there is not shown';
    is scalar(() = $c->find('#hosting')), 0, 'what is necessary has no box';
    like says($c), qr/Hosting.*Always on/s, 'but is named';
    like says($c), qr/Example Helpdesk.*Example Metrics/s, 'with the vendors';

    $c->click('#support');
    press($c, 'purposes');
    at $c, qr{done=purposes}, 'saves';
    like $c->text('[role=status]'), qr/saved/, 'is told so';
    ok $c->checked('#support'), 'and sees it';
    like $c->text('#analytics-facts'), qr/You have said no/, 'and the no';
    is_deeply { map { /^p/ ? ($_ => record($redis)->{$_}) : () }
        keys record($redis)->%* }, { 'p.support' => 1, 'p.analytics' => 0 },
        'which is on record';
    $c->go("$site/");
    like path($c), qr{^/policy-update}, 'and passes no more than before';
};


subtest 'taking back' => sub {
    $redis->cmd('FLUSHALL');
    my $c = chromium();
    accept_all($c);
    is $c->title, 'Home', 'accepted: a page, boxes, a button';
    $c->go("$site/privacy-choices");
    like says($c), qr/Accepted, version 1/, 'what was accepted is there';
    press($c, 'withdraw');
    at $c, qr{done=withdraw}, 'taken back: a page, a button';
    like $c->text('[role=status]'), qr/taken everything back/, 'is told so';
    is scalar(grep { /^d\./ } keys record($redis)->%*), 0, 'nothing is left';
    $c->go("$site/");
    like path($c), qr{^/policy-update}, 'and is asked anew';
};


subtest 'a purpose that a page needs' => sub {
    $redis->cmd('FLUSHALL');
    my $c = chromium();
    accept_all($c);
    $c->go("$site/analytics/tag.html");
    like $c->text('body'), qr/not allowed/i, 'is refused';
    $c->click('a');
    at $c, qr{^/privacy-choices\?return=/analytics/tag\.html},
        'and leads to the choices';
    $c->click('#analytics');
    press($c, 'purposes');
    at $c, qr{done=purposes}, 'where it can be allowed';
    $c->go("$site/analytics/tag.html");
    is $c->title, 'Tag', 'and then it is there';
};


subtest 'a browser that says no' => sub {
    $redis->cmd('FLUSHALL');
    my $c = chromium();
    $c->headers('Sec-GPC' => '1');
    $c->go("http://america.localhost:" . $t->port . '/privacy-choices');
    like $c->text('#analytics-facts'), qr/Global Privacy Control/,
        'is told that it counts';
    unlike $c->text('#support-facts'), qr/Global Privacy Control/, 'where';
    $c->go("http://america.localhost:" . $t->port . '/analytics/tag.html');
    like $c->text('body'), qr/not allowed/i, 'and counts';
};


subtest 'where one lives' => sub {
    $redis->cmd('FLUSHALL');
    my $c = chromium();
    $c->go("$site/privacy-choices");
    my $value = sub { $c->script(
        'return document.getElementById("residence").value') };
    is $value->(), '', 'is not told';
    $c->click('#residence option[value=IS]');
    press($c, 'residence');
    at $c, qr{done=residence}, 'is saved';
    is $value->(), 'IS', 'and shown';
    is record($redis)->{res}, 'IS', 'and on record';
    $c->click('#residence option[value=""]');
    press($c, 'residence');
    ok wait_for(sub { !exists record($redis)->{res} }, 10), 'and taken back';

    my $codes = $c->script('return [].map.call(document.querySelectorAll('
        . '"#residence option"), o => o.value).filter(v => v)');
    my %seen;
    is scalar(grep { !/^[A-Z]{2}$/ || $seen{$_}++ } @$codes), 0,
        'each country once: ' . @$codes;
};


subtest 'a copy' => sub {
    $redis->cmd('FLUSHALL');
    my $c = chromium();
    accept_all($c);
    $c->go("$site/privacy-choices");
    is $c->element('a.button', 'attribute/href'), '/consent/export',
        'is linked to';
    my $cookie = join '; ', map { "$_->{name}=$_->{value}" }
        @{ $c->session('GET', '/cookie') };
    my $export = $t->browser('DE', host => 'germany.localhost',
        headers => [Cookie => $cookie])->get('/consent/export')->json;
    is $export->{events}[0]{event}{what}, 'accept', 'with the receipt';
};


subtest 'erasing' => sub {
    $redis->cmd('FLUSHALL');
    my $c = chromium();
    accept_all($c);
    my $cookie = sub { my ($v) = grep { $_->{name} eq 'consent' }
        @{ $c->session('GET', '/cookie') }; $v->{value} };
    my $before = $cookie->();
    $c->go("$site/privacy-choices");
    press($c, 'erase');
    is path($c), '/privacy-choices', 'does not happen by a slip';
    ok exists record($redis)->{'d.terms'}, 'nothing is erased';
    $c->click('#sure');
    press($c, 'erase');
    at $c, qr{done=erase}, 'but by a box and a button';
    like $c->text('[role=status]'), qr/erased.*receipts/s,
        'and what is kept is told';
    isnt $cookie->(), $before, 'comes as somebody new';
    $c->go("$site/");
    like path($c), qr{^/policy-update}, 'and is asked';
};


subtest 'too young' => sub {
    $redis->cmd('FLUSHALL');
    my $c = chromium();
    $c->go("$site/tag.html");
    ok !$c->checked('#age'), 'the age is not ticked';
    like $c->text('label[for=age]'), qr/at least 16/, 'and is that of Germany';
    $c->click('.quiet button');
    at $c, qr{^/age\?return=/tag\.html}, 'is told what can be done';
    like says($c), qr/parent or guardian.*privacy\@example/s, 'by whom';
    $c->go("$site/tag.html");
    like path($c), qr{^/age}, 'and is let in no further';
    $c->click('a[href="/privacy-choices"]');
    at $c, qr{^/privacy-choices}, 'but to the choices';
    like says($c), qr/younger than 16/, 'which know';
    $c->click('#support');
    press($c, 'purposes');
    wait_for(sub { $c->find('[role=alert]') }, 10);
    like $c->text('[role=alert]'), qr/too young/, 'where nothing is granted';

    $c->go("$site/policy-update");
    is scalar(() = $c->find('button[form=answer]')), 0, 'nor accepted';

    $c->go("$site/tag.html");
    press($c, 'age');
    at $c, qr{^/policy-update\?return=/tag}, 'until a birthday';
    $c->click($_) for grep { $_ ne '#age' } @BOXES;
    is scalar(() = $c->find('#age')), 0, 'after which no age is asked';
    $c->click('button[form=answer]');
    at $c, qr{^/tag}, 'and the site is open';
};


subtest 'only the age is open' => sub {
    $redis->cmd('FLUSHALL');
    my $c = chromium();
    accept_all($c);
    my ($key) = $redis->keys('gc:s:*');
    $redis->cmd('HSET', $key, 'age', 'ok:13');
    $c->go("$site/tag.html");
    like $c->text('h1'), qr/age/, 'is asked for it';
    is scalar(() = $c->find('[name=document]')), 0, 'and for nothing else';
    my ($yes, $no) = ($c->element('button[form=answer]', 'rect'),
        $c->element('form[action="/consent/age"] button', 'rect'));
    cmp_ok abs($yes->{width} - $no->{width}), '<', 2,
        'yes and no are of one size';
    $c->click('#age');
    $c->click('button[form=answer]');
    at $c, qr{^/tag}, 'and goes on';
};


# What a screen reader says of each thing that can be operated.
sub names ($c) {
    return map {
        my $role = $c->session('GET', "/element/$_/computedrole");
        my $name = $c->session('GET', "/element/$_/computedlabel");
        [$role, $name];
    } $c->find('a[href], button, input:not([type=hidden]), select');
}


for my $page ('/privacy-choices', '/age', '/policy-update') {
    subtest "$page: for everybody" => sub {
        my $c = chromium();
        $redis->cmd('FLUSHALL');

        if ($page eq '/age') {
            $c->go("$site/");
            $c->click('.quiet button');
            at $c, qr{^/age}, 'as a minor';
        } else {
            $c->go("$site$page");
        }

        my @names = names($c);
        is_deeply [grep { $_->[1] eq '' } @names], [],
            'each control has a name: ' . @names;
        is $c->script('return document.documentElement.lang'), 'en',
            'the language is told';
        is $c->script('return document.querySelectorAll("h1").length'), 1,
            'one heading of the first level';
        is $c->script('return [].filter.call(document.querySelectorAll("h1,'
            . 'h2,h3"), h => !h.textContent.trim()).length'), 0,
            'no heading is empty';
        is $c->script('return document.querySelectorAll("script").length'), 0,
            'no script';

        # by the keyboard: each is reached, in the order in which they stand
        my @all = $c->find('a[href], button, input:not([type=hidden]), select');
        $c->go($c->url);
        @all = $c->find('a[href], button, input:not([type=hidden]), select');
        my @reached;
        for (1 .. @all) {
            $c->keys("\t");
            push @reached, $c->session('GET', '/element/active')
                ->{+ConsentGate::Chromium::ELEMENT};
        }
        is_deeply \@reached, \@all, 'all is reached by the keyboard';
        is $c->script('return getComputedStyle(document.activeElement)'
            . '.outlineStyle'), 'solid', 'and is seen to be';

        is $c->script('return getComputedStyle(document.querySelector("main"))'
            . '.maxWidth'), '672px', 'it has its look';

        for my $width (1200, 320) {
            $c->narrow($width);
            $c->go($c->url);
            is $c->script('return document.documentElement.scrollWidth'),
                $width, "$width px are enough";
        }
    };
}


subtest 'choices by the keyboard alone' => sub {
    $redis->cmd('FLUSHALL');
    my $c = chromium();
    $c->go("$site/privacy-choices");

    my $to = sub ($css) {
        for (1 .. 30) {
            $c->keys("\t");
            return if $c->session('GET', '/element/active')
                ->{+ConsentGate::Chromium::ELEMENT} eq ($c->find($css))[0];
        }
    };
    $to->('#analytics');
    $c->keys(' ');
    $to->('form[action="/consent/purposes"] button');
    $c->keys("\n");
    at $c, qr{done=purposes}, 'saved';
    is record($redis)->{'p.analytics'}, 1, 'and on record';
};

$t->done;
