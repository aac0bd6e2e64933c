package ConsentGate::Chromium;

# A headless Chromium by the WebDriver protocol (W3C), through chromedriver.

use v5.36;

use Carp qw(croak);
use File::Path qw(make_path);
use HTTP::Tiny;
use JSON::PP ();
use MIME::Base64 qw(decode_base64);

use ConsentGate::Process qw(free_port spawn_group stop wait_for);

use constant ELEMENT => 'element-6066-11e4-a52e-4f735466cecf';

my @ARGUMENTS = qw(
    --headless --no-sandbox --disable-gpu --disable-quic --no-first-run
    --disable-background-networking --disable-component-update --disable-sync
    --disable-dev-shm-usage --disable-extensions --hide-scrollbars
    --no-default-browser-check
);


# Whether there is one to be had.
sub available ($class) {
    return !grep { !-x "/usr/bin/$_" } qw(chromium chromedriver);
}


# Options: dir (for profile and log), width, height, javascript (default 1),
# cookies (default 1).
sub new ($class, %options) {
    my $self = bless { width => 1000, height => 1400, javascript => 1,
        cookies => 1, %options }, $class;

    make_path($self->{dir});
    $self->{port} = free_port();
    $self->{http} = HTTP::Tiny->new(timeout => 60);
    $self->{pid} = spawn_group("$self->{dir}/chromedriver.log",
        '/usr/bin/chromedriver', "--port=$self->{port}",
        '--allowed-ips=127.0.0.1');

    wait_for(sub { eval { $self->call('GET', '/status')->{ready} } }, 20)
        or croak 'chromedriver does not start';

    my $off = sub ($on) { return $on ? 1 : 2 };

    $self->{session} = '/session/' . $self->call('POST', '/session', {
        capabilities => { alwaysMatch => { 'goog:chromeOptions' => {
            binary => '/usr/bin/chromium',
            args => [@ARGUMENTS, "--user-data-dir=$self->{dir}/profile",
                "--window-size=$self->{width},$self->{height}",
                '--host-resolver-rules=MAP *.test 127.0.0.1'],
            prefs => {
                'profile.managed_default_content_settings.javascript' =>
                    $off->($self->{javascript}),
                'profile.managed_default_content_settings.cookies' =>
                    $off->($self->{cookies}),
                'profile.default_content_setting_values.cookies' =>
                    $off->($self->{cookies}),
            },
        } } },
    })->{sessionId};

    return $self;
}


# As if it had seen nothing yet.
sub forget ($self) {
    $self->devtools($_) for qw(Network.clearBrowserCookies
        Network.clearBrowserCache Emulation.clearDeviceMetricsOverride);
    $self->headers;
    $self->go('about:blank');

    return $self;
}


# Sends these with every request from now on.
sub headers ($self, %headers) {
    $self->devtools('Network.enable');
    return $self->devtools('Network.setExtraHTTPHeaders',
        headers => \%headers);
}


# The screen of a telephone.
sub narrow ($self, $width = 320) {
    return $self->devtools('Emulation.setDeviceMetricsOverride',
        width => $width, height => 640, deviceScaleFactor => 1,
        mobile => JSON::PP::false);
}


sub devtools ($self, $command, %params) {
    return $self->session('POST', '/goog/cdp/execute',
        { cmd => $command, params => \%params });
}


sub call ($self, $method, $path, $body = undef) {
    my $response = $self->{http}->request($method,
        "http://127.0.0.1:$self->{port}$path", defined $body ? {
            headers => { 'Content-Type' => 'application/json' },
            content => JSON::PP->new->utf8->encode($body),
        } : {});

    my $value = eval { JSON::PP->new->utf8->decode($response->{content}) };
    croak "$method $path: " . substr $response->{content}, 0, 300
        if !$response->{success};

    return $value->{value};
}


sub session ($self, $method, $path, $body = undef) {
    return $self->call($method, "$self->{session}$path", $body);
}


sub go ($self, $url) {
    return $self->session('POST', '/url', { url => $url });
}


sub url   ($self) { return $self->session('GET', '/url') }
sub title ($self) { return $self->session('GET', '/title') }


# The elements that a CSS selector finds.
sub find ($self, $css) {
    return map { $_->{+ELEMENT} } @{ $self->session('POST', '/elements',
        { using => 'css selector', value => $css }) };
}


sub element ($self, $css, $what, $method = 'GET', $body = undef) {
    my ($id) = $self->find($css);
    croak "no $css at " . $self->url if !defined $id;
    return $self->session($method, "/element/$id/$what", $body);
}


sub text    ($self, $css) { return $self->element($css, 'text') }
sub click   ($self, $css) { return $self->element($css, 'click', 'POST', {}) }
sub checked ($self, $css) { return $self->element($css, 'selected') }


# Presses keys in the element that has the focus. "\t", "\n" and " " are keys.
sub keys ($self, $keys) {
    my %key = ("\t" => "\x{E004}", "\n" => "\x{E007}");
    my @actions = map { my $k = $key{$_} // $_;
        ({ type => 'keyDown', value => $k }, { type => 'keyUp', value => $k })
    } split //, $keys;

    return $self->session('POST', '/actions', { actions =>
        [{ type => 'key', id => 'keyboard', actions => \@actions }] });
}


sub script ($self, $script) {
    return $self->session('POST', '/execute/sync',
        { script => $script, args => [] });
}


sub resize ($self, $width, $height) {
    return $self->session('POST', '/window/rect',
        { width => $width, height => $height });
}


sub screenshot ($self, $path) {
    open my $fh, '>:raw', $path or croak "$path: $!";
    print $fh decode_base64($self->session('GET', '/screenshot'));
    return close $fh;
}


sub quit ($self) {
    return if !$self->{pid};
    eval { $self->session('DELETE', '') };
    stop($self->{pid}, 'TERM');
    $self->{pid} = undef;
    return;
}


sub DESTROY ($self) { return $self->quit }


1;

__END__

=head1 SYNOPSIS

    my $c = $t->chromium(javascript => 0);
    $c->go('http://shop.test:8080/');
    $c->click('button');
    is $c->title, 'Thank you';

Names under C<.test> are this machine.
